// The search over orders in which a Placer is given the buffers.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "planner/arena/placer.h"

namespace tidemark::arena {

/// Bytes live at each step.
std::vector<int64_t> pressure(const std::vector<ArenaBuffer>& buffers);

/// Keeps the lowest placement found. No buffer may be at the bottom or empty.
class Search {
 public:
  explicit Search(std::vector<ArenaBuffer> buffers);

  bool done() const { return end_ <= lower_bound_; }

  /// Buffers by size, life, area, …; lowest and best fit.
  void run_heuristics();
  /// What lives mostly before the peak grows from below, what lives after it from above: so do
  /// activations, which die in the reverse order, and the gradients that take their place.
  void run_two_ended(int64_t effort);
  /// Random moves of what stands highest towards the front of the order.
  void run_local_search(int64_t effort);

  const std::vector<int64_t>& offsets() const { return offsets_; }
  int64_t end() const { return buffers_.empty() ? 0 : end_; }
  const std::string& method() const { return method_; }

 private:
  using Order = std::vector<int32_t>;

  const ArenaBuffer& at(int32_t i) const { return buffers_[static_cast<size_t>(i)]; }
  double life(int32_t i) const { return static_cast<double>(at(i).last) - at(i).first + 1; }
  double area(int32_t i) const { return static_cast<double>(at(i).bytes) * life(i); }
  /// Descending keys; ties by size, then by index.
  template <typename Key>
  Order sorted(Key key) const;
  bool try_order(const Order& order, Fit fit, int64_t give_up, const std::string& method);
  bool try_two_ended(const Order& order, const std::vector<Fit>& fits, int64_t capacity);
  void keep(const Order& order, Fit fit, int64_t end, const std::string& method);

  std::vector<ArenaBuffer> buffers_;
  Placer placer_;
  int64_t lower_bound_;
  int32_t peak_ = 0;  // the first step at which most bytes live
  int64_t end_ = std::numeric_limits<int64_t>::max();
  Order order_;
  Fit fit_ = Fit::lowest;
  std::vector<int64_t> offsets_;
  std::string method_;
};

}  // namespace tidemark::arena
