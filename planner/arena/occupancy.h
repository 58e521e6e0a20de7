// Which bytes are taken when, and where a gap is that stays free over some sections.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace tidemark::arena {

/// A segment tree over the sections (Bentley 1977). Each node has the union of the bytes that are taken
/// throughout its sections, and of those that are taken in any of them; what lies side by side is one
/// interval, and most of an arena does. So a search takes logarithmically many short lists, not all items.
class Occupancy {
 public:
  struct Bytes {
    int64_t begin = 0, end = 0;
    int64_t size() const { return end - begin; }
  };
  static constexpr int64_t kOpen = std::numeric_limits<int64_t>::max();  ///< the end of the last gap

  explicit Occupancy(int32_t sections);

  void clear();
  /// In each of the sections first..last, both inclusive.
  void add(int32_t first, int32_t last, Bytes bytes);

  /// The gaps of at least `size` bytes that are free in all of the sections first..last, from the lowest up,
  /// until visit(Bytes) says false. The last has no end.
  template <typename Visit>
  void each_gap(int32_t first, int32_t last, int64_t size, const Visit& visit) {
    look_at(first, last);
    for (Bytes gap = next_gap(0, size); visit(gap) && gap.end != kOpen;) gap = next_gap(gap.end, size);
  }

 private:
  using Union = std::vector<Bytes>;  // ascending, apart from each other
  struct Cursor {
    const Bytes* at;
    const Bytes* end;
  };

  static void add_to(Union& all, Bytes bytes);
  void look_at(int32_t first, int32_t last);
  void look_at(const Union& all);
  Bytes next_gap(int64_t from, int64_t size);

  size_t leaves_ = 1;
  std::vector<Union> throughout_, sometimes_;  // by node
  std::vector<Cursor> cursors_;                // of the search at hand
};

}  // namespace tidemark::arena
