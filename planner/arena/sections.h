// Time cut into the sections that matter, the form in which the exact search sees a problem.
#pragma once

#include <cstdint>
#include <vector>

#include "planner/arena/problem.h"

namespace tidemark::arena {

/// A piece over sections first..last, both inclusive.
struct Block {
  int32_t first = 0;
  int32_t last = 0;
  int64_t bottom = 0;  ///< from the buffer's offset on
  int64_t height = 0;
};

/// A buffer that occupies something.
struct Item {
  size_t buffer = 0;      ///< in the problem
  int64_t height = 0;     ///< the buffer's size
  int64_t least_end = 0;  ///< the lowest end of its blocks
  double life = 0;        ///< time, of its pieces
  std::vector<Block> blocks;
  int32_t first() const { return blocks.front().first; }
  int32_t last() const { return blocks.back().last; }
};

/// A section is a largest set of pieces that exist at one time: two pieces meet in time if and only if they
/// share a section.
struct Sections {
  int32_t count = 0;
  std::vector<Item> items;
  bool gaps = false;     ///< some item has several blocks
  bool windows = false;  ///< some block begins above its item's offset
};

Sections make_sections(const std::vector<Buffer>& buffers);

}  // namespace tidemark::arena
