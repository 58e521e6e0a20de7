// Bytes live at every slot of a row, under changes to ranges of slots.
//
// In blocks: what is added to a whole block is added once, and of a block that did not change, what is known
// about it stays. A change to a long life, or to few slots of many, costs a small part of the row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tidemark {

class Levels {
 public:
  explicit Levels(size_t slots);

  double at(int32_t slot) const {
    const auto s = static_cast<size_t>(slot);
    return bytes_[s] + blocks_[s / kBlock].all;
  }
  /// To each of the slots first..last, both inclusive; none where first > last.
  void add(int32_t first, int32_t last, double bytes);

  /// Bytes above `room`: of all slots together, and of the fullest.
  struct Excess {
    double sum = 0;
    double most = 0;
  };
  Excess excess(double room);

  /// Slots with at least so many bytes, ascending.
  void find(double least, std::vector<int32_t>& slots);

 private:
  static constexpr size_t kBlock = 64;

  /// All but `all` without it, which is to be added to each of the block's slots.
  struct Block {
    double all = 0;
    double low = 0, high = 0, sum = 0;
    double room = 0;  ///< that `over` is about
    Excess over;
    bool summed = false;  ///< low, high and sum are true
    bool judged = false;  ///< so is over
  };

  size_t end_of(size_t block) const;
  void add_within(size_t block, size_t first, size_t end, double bytes);
  void sum_up(size_t block);
  Excess judge(size_t block, double room);

  std::vector<double> bytes_;  // by slot, without its block's `all`
  std::vector<Block> blocks_;
};

}  // namespace tidemark
