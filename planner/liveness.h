// Binds a sequence of ops, the whole step or a part of it, to buffers.
#pragma once

#include <vector>

#include "planner/schedule.h"

namespace tidemark {

struct Sequence {
  std::vector<OpId> order;
  std::vector<ValueId> live_out;  ///< values that outlive the sequence
  bool whole = true;              ///< false: values that nothing here makes are there from the start
};

/// The buffers of each step. Every read means the latest instance of a value; an instance dies after its
/// last read, one that nobody reads at the step that makes it. An output takes the storage of an input as
/// the op's Alias rules allow. All sources have buffers, first, if the sequence is whole; otherwise those
/// that are read.
///
/// What `prepare` makes and the body reads lives to the end of the body, since the body may repeat.
///
/// Throws Error naming the op where one reads a value that is not yet made or is overwritten, or where
/// storage that must be shared differs in size.
Schedule bind(const Graph& graph, const Sequence& sequence, const DeviceTraits& device);

}  // namespace tidemark
