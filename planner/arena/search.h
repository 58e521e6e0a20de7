// The search over orders in which a Placer is given the buffers.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "planner/arena/placer.h"

namespace tidemark::arena {

/// Bytes live at each step.
std::vector<int64_t> pressure(const std::vector<ArenaBuffer>& buffers);

/// Several orders, each placed and improved by random moves; the worse half is dropped again and again.
class Search {
 public:
  /// Stops once a placement ends at or below `target`. No buffer may be at the bottom or empty.
  Search(std::vector<ArenaBuffer> buffers, int64_t target);

  void run(int64_t effort);

  const std::vector<int64_t>& offsets() const { return climbs_.front().offsets; }
  int64_t end() const { return climbs_.empty() ? 0 : climbs_.front().end; }
  std::string method() const;

 private:
  using Order = std::vector<int32_t>;

  struct Climb {
    const char* start = "";
    bool improved = false;
    Fit fit = Fit::lowest;
    Order order;
    std::vector<int64_t> offsets;
    int64_t end = 0;
  };

  const ArenaBuffer& at(int32_t i) const { return buffers_[static_cast<size_t>(i)]; }
  double life(int32_t i) const { return static_cast<double>(at(i).last) - at(i).first + 1; }
  double area(int32_t i) const { return static_cast<double>(at(i).bytes) * life(i); }
  /// Descending keys; ties by size, then by index.
  template <typename Key>
  Order sorted(Key key) const;
  bool start(const char* name, Order order);
  bool start_all();
  bool improve(Climb& climb, int64_t effort);
  Order moved(const Climb& climb, size_t& unchanged);
  void rank();

  std::vector<ArenaBuffer> buffers_;
  Placer placer_;
  int64_t target_;
  std::mt19937_64 random_{20190521};
  std::vector<Climb> climbs_;  // the best first, once ranked
};

}  // namespace tidemark::arena
