// Stretches of addresses that an allocator has from the driver, when it had them, and what of them nobody
// used.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

namespace tidemark {

/// [begin, end), held in the moments [from, to]. A moment is a time, or a step of a program.
struct HeldRange {
  uint64_t begin = 0, end = 0;
  int64_t from = INT64_MIN, to = INT64_MAX;
};

class HeldRanges {
 public:
  /// Moments come in order. What is held already is not held twice.
  void hold(uint64_t address, int64_t bytes, int64_t moment);
  /// May be a part of what was held, or several of them. What nothing was known of was held from the
  /// beginning.
  void give_back(uint64_t address, int64_t bytes, int64_t moment);
  /// Is held at the end: where nothing said so, from the beginning.
  void held_at_end(uint64_t address, int64_t bytes);

  const std::vector<HeldRange>& ended() const { return ended_; }
  /// Those that were given back, and those that were not.
  std::vector<HeldRange> all() const;

 private:
  struct Open {
    uint64_t end = 0;
    int64_t from = 0;
  };

  std::map<uint64_t, Open> open_;   ///< by address; they do not overlap
  std::map<uint64_t, Open> known_;  ///< all that was ever held
  std::vector<HeldRange> ended_;
};

/// The parts of `held` in which no range of `used` lies, for as long as that is so. Ranges in use at the same
/// moment do not overlap. Moments are steps, from 0 to `last`.
std::vector<HeldRange> unused_parts(const std::vector<HeldRange>& held, const std::vector<HeldRange>& used,
                                    int64_t last);

}  // namespace tidemark
