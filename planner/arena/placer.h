// List heuristics: the items in some order, each into a gap that those before it leave.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "planner/arena/sections.h"

namespace tidemark::arena {

struct Placement {
  std::vector<int64_t> offsets;  ///< of items
  int64_t end = 0;
  std::string method;
};

/// What an order of items goes by; the greatest come first.
enum class Key : uint8_t { life, size, area, sections, peak, first, last };
const char* name_of(Key key);

/// Of each item. `peak` is the area, those that live where most bytes are occupied before all others.
std::vector<double> keys_of(const Sections& sections, Key key);

/// The lowest of several orders and ways to choose a gap; the first that ends at or below `good_enough`.
/// Gaps in an item's life count as occupied.
Placement place_by_lists(const Sections& sections, int64_t good_enough);

}  // namespace tidemark::arena
