#include "planner/remat/levels.h"

#include <algorithm>

namespace tidemark {

Levels::Levels(size_t slots) : bytes_(slots, 0), blocks_((slots + kBlock - 1) / kBlock) {}

size_t Levels::end_of(size_t block) const {
  return std::min((block + 1) * kBlock, bytes_.size());
}

void Levels::add_within(size_t block, size_t first, size_t end, double bytes) {
  for (size_t s = first; s < end; ++s) bytes_[s] += bytes;
  blocks_[block].summed = blocks_[block].judged = false;
}

void Levels::add(int32_t first, int32_t last, double bytes) {
  if (first > last) return;
  auto at = static_cast<size_t>(first);
  const auto end = static_cast<size_t>(last) + 1;
  while (at < end) {
    const size_t block = at / kBlock;
    const size_t next = std::min(end_of(block), end);
    if (at == block * kBlock && next == end_of(block))
      blocks_[block].all += bytes;
    else
      add_within(block, at, next, bytes);
    at = next;
  }
}

void Levels::sum_up(size_t block) {
  Block& b = blocks_[block];
  const size_t begin = block * kBlock, end = end_of(block);
  b.low = b.high = bytes_[begin];
  b.sum = 0;
  for (size_t s = begin; s < end; ++s) {
    b.low = std::min(b.low, bytes_[s]);
    b.high = std::max(b.high, bytes_[s]);
    b.sum += bytes_[s];
  }
  b.summed = true;
}

Levels::Excess Levels::judge(size_t block, double room) {
  Block& b = blocks_[block];
  if (!b.summed) sum_up(block);
  if (b.high <= room) return {};
  const size_t begin = block * kBlock, end = end_of(block);
  Excess over{.sum = 0, .most = b.high - room};
  if (b.low >= room) {
    over.sum = b.sum - static_cast<double>(end - begin) * room;
    return over;
  }
  for (size_t s = begin; s < end; ++s) over.sum += std::max(bytes_[s] - room, 0.0);
  return over;
}

Levels::Excess Levels::excess(double room) {
  Excess excess;
  for (size_t k = 0; k < blocks_.size(); ++k) {
    Block& b = blocks_[k];
    const double left = room - b.all;
    if (!b.judged || b.room != left) {
      b.over = judge(k, left);
      b.room = left;
      b.judged = true;
    }
    excess.sum += b.over.sum;
    excess.most = std::max(excess.most, b.over.most);
  }
  return excess;
}

void Levels::find(double least, std::vector<int32_t>& slots) {
  slots.clear();
  for (size_t k = 0; k < blocks_.size(); ++k) {
    if (!blocks_[k].summed) sum_up(k);
    if (blocks_[k].high + blocks_[k].all < least) continue;
    for (size_t s = k * kBlock; s < end_of(k); ++s)
      if (bytes_[s] + blocks_[k].all >= least) slots.push_back(static_cast<int32_t>(s));
  }
}

}  // namespace tidemark
