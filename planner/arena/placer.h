// Places buffers one by one into the gaps that those already placed leave.
#pragma once

#include <cstdint>
#include <vector>

#include "planner/arena/arena.h"

namespace tidemark::arena {

enum class Fit : uint8_t {
  lowest,  ///< the lowest gap that is large enough
  best,    ///< the smallest gap that is large enough
};

class Placer {
 public:
  explicit Placer(const std::vector<ArenaBuffer>& buffers) : buffers_(buffers) {}

  /// Places the buffers in this order, from offset 0. Stops early, returning a value >= `give_up`, once the
  /// end reaches it. Returns the end.
  int64_t place(const std::vector<int32_t>& order, Fit fit, int64_t give_up);

  /// place() of an order of which the first `kept` buffers stay where `offsets` has them.
  int64_t replace(const std::vector<int32_t>& order, size_t kept, const std::vector<int64_t>& offsets,
                  Fit fit, int64_t give_up);

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
  int64_t place_rest(const std::vector<int32_t>& order, size_t from, Fit fit, int64_t end, int64_t give_up);
  int64_t find_gap(const ArenaBuffer& buffer, Fit fit);

  const std::vector<ArenaBuffer>& buffers_;
  std::vector<Placed> placed_;  // by offset
  std::vector<int64_t> offsets_;
  int64_t comparisons_ = 0;
};

}  // namespace tidemark::arena
