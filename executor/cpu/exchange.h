// How far apart processors are: what a team of threads pays for reading what another of them wrote.
#pragma once

#include <vector>

namespace tidemark::cpu {

/// Seconds in which a line of the cache goes from the first processor that this process may use to each of
/// the others; empty where there is only one, or where threads cannot be bound to processors. Some 50 ns
/// within one last-level cache, several times as many between two: a step that is bound by memory then takes
/// up to half as long again. A hypervisor may move processors from the one state to the other at any time.
std::vector<double> exchange_seconds();

}  // namespace tidemark::cpu
