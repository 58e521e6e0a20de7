// States of the exact search that are known to be dead, so that none is searched twice.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace tidemark::arena {

/// 128 bits: among the 10^9 states of a search of hours, two that differ agree with a probability of 10^-21.
struct StateKey {
  uint64_t low = 0, high = 0;
  bool operator==(const StateKey&) const = default;
};

/// A table that grows up to a limit; then a new state takes an old one's place.
class Nogoods {
 public:
  void clear() {
    table_.clear();
    used_ = 0;
  }
  bool contains(const StateKey& key) const { return !table_.empty() && table_[index(key)] == key; }
  void add(const StateKey& key) {
    if (2 * used_ >= table_.size() && table_.size() < kMost) grow();
    StateKey& slot = table_[index(key)];
    if (slot == StateKey{}) ++used_;
    slot = key;
  }

 private:
  static constexpr size_t kLeast = size_t{1} << 12, kMost = size_t{1} << 22;  // 64 MiB

  size_t index(const StateKey& key) const { return static_cast<size_t>(key.low) & (table_.size() - 1); }
  void grow() {
    const std::vector<StateKey> old = std::move(table_);
    table_.assign(std::max(kLeast, 2 * old.size()), StateKey{});
    used_ = 0;
    for (const StateKey& key : old) {
      if (key == StateKey{}) continue;
      if (table_[index(key)] == StateKey{}) ++used_;
      table_[index(key)] = key;
    }
  }

  std::vector<StateKey> table_;
  size_t used_ = 0;
};

}  // namespace tidemark::arena
