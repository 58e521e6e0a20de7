// Places buffers one by one into the gaps that those already placed leave.
#pragma once

#include <cstdint>
#include <vector>

#include "planner/arena/arena.h"

namespace tidemark::arena {

enum class Fit : uint8_t {
  lowest,   ///< the lowest gap that is large enough
  best,     ///< the smallest gap that is large enough
  highest,  ///< at the upper end of the highest gap below the capacity
};

class Placer {
 public:
  explicit Placer(const std::vector<ArenaBuffer>& buffers) : buffers_(buffers) {}

  /// Places the buffers in this order, from offset 0. Stops early, returning a value >= `give_up`, once the
  /// end reaches it. Returns the end. Not for Fit::highest.
  int64_t place(const std::vector<int32_t>& order, Fit fit, int64_t give_up);

  /// Places each buffer by its own fit, below `capacity`. Returns false as soon as one does not fit.
  bool place_within(const std::vector<int32_t>& order, const std::vector<Fit>& fits, int64_t capacity);

  /// Lets every buffer fall onto what is below it; none ends higher than before. Returns the end.
  int64_t settle();

  /// By buffer; of the last complete call.
  const std::vector<int64_t>& offsets() const { return offsets_; }
  int64_t comparisons() const { return comparisons_; }

 private:
  struct Placed {
    int64_t offset, end;
    int32_t first, last;
  };

  void clear();
  void add(int32_t id, int64_t offset);
  int64_t find_gap(const ArenaBuffer& buffer, Fit fit);
  int64_t find_highest_gap(const ArenaBuffer& buffer, int64_t capacity);

  const std::vector<ArenaBuffer>& buffers_;
  std::vector<Placed> placed_;  // by offset
  std::vector<int64_t> offsets_;
  int64_t comparisons_ = 0;
};

}  // namespace tidemark::arena
