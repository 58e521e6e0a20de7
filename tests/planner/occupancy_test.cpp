#include "planner/arena/occupancy.h"

#include <gtest/gtest.h>

#include <random>

namespace tidemark::arena {
namespace {

using Gaps = std::vector<std::pair<int64_t, int64_t>>;

constexpr int64_t kBytes = 200;  // all that is added lies below

/// By each section's bytes one by one.
class PlainOccupancy {
 public:
  explicit PlainOccupancy(int32_t sections) : taken_(sections, std::vector<bool>(kBytes, false)) {}

  void add(int32_t first, int32_t last, Occupancy::Bytes bytes) {
    for (int32_t s = first; s <= last; ++s)
      for (int64_t b = bytes.begin; b < bytes.end; ++b) taken_[s][b] = true;
  }
  Gaps gaps(int32_t first, int32_t last, int64_t size) const {
    Gaps gaps;
    int64_t begin = 0;
    for (int64_t b = 0; b < kBytes; ++b) {
      bool free = true;
      for (int32_t s = first; s <= last; ++s) free = free && !taken_[s][b];
      if (free) continue;
      if (b - begin >= size) gaps.emplace_back(begin, b);
      begin = b + 1;
    }
    gaps.emplace_back(begin, Occupancy::kOpen);
    return gaps;
  }

 private:
  std::vector<std::vector<bool>> taken_;
};

TEST(Occupancy, FindsTheGapsOfPlainBytes) {
  for (int32_t sections : {1, 2, 7, 8, 33}) {
    SCOPED_TRACE(sections);
    std::mt19937 random(static_cast<unsigned>(sections));
    const auto draw = [&](int64_t n) { return static_cast<int64_t>(random() % static_cast<uint64_t>(n)); };
    const auto range = [&] {
      const auto a = static_cast<int32_t>(draw(sections)), b = static_cast<int32_t>(draw(sections));
      return std::pair(std::min(a, b), std::max(a, b));
    };
    Occupancy occupancy(sections);
    for (int round = 0; round < 20; ++round) {
      occupancy.clear();
      PlainOccupancy plain(sections);
      for (int i = 0; i < 15; ++i) {
        const auto [first, last] = range();
        const int64_t begin = draw(kBytes - 20), size = 1 + draw(20);
        occupancy.add(first, last, {begin, begin + size});
        plain.add(first, last, {begin, begin + size});
        const auto [from, to] = range();
        const int64_t least = 1 + draw(15);
        Gaps found;
        occupancy.each_gap(from, to, least, [&](const Occupancy::Bytes& gap) {
          found.emplace_back(gap.begin, gap.end);
          return true;
        });
        ASSERT_EQ(found, plain.gaps(from, to, least));
      }
    }
  }
}

}  // namespace
}  // namespace tidemark::arena
