// The state of the exact search: a skyline of placed items over the sections, and what it implies.
//
// Items are only ever added on top. Each section has a floor, below which nothing more can lie; each item
// that is not placed has the least offset that the floors of its sections allow. Floors rise to the lowest
// bottom that is left to come ("inference"), and where a floor plus the bytes still to come exceeds the
// capacity, the state is dead. All changes are logged and can be undone.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "planner/arena/sections.h"

namespace tidemark::arena {

class Skyline {
 public:
  explicit Skyline(const Sections& sections);

  /// Takes everything down. False if the problem is already seen to exceed the capacity.
  bool reset(int64_t capacity, bool inference);

  /// Adds an item; its offset is its least(). False: a dead end, with dead_section().
  bool place(int32_t item);
  /// Leaves the bytes of a section from its floor up to `floor` unused. False: a dead end.
  bool raise(int32_t section, int64_t floor);

  size_t mark() const { return log_.size(); }
  void undo(size_t mark);

  int32_t sections() const { return static_cast<int32_t>(floor_.size()); }
  int64_t capacity() const { return capacity_; }
  int64_t floor(int32_t s) const { return floor_[at(s)]; }
  /// The floor is the end of a placed item, or the arena's bottom.
  bool firm(int32_t s) const { return floor_[at(s)] == top_[at(s)]; }
  /// Bytes of a section that may still be left unused.
  int64_t slack(int32_t s) const { return capacity_ - floor_[at(s)] - coming_[at(s)]; }
  /// Blocks still to come.
  int32_t waiting(int32_t s) const { return waiting_[at(s)]; }
  /// Of them, those that can lie on the floor.
  int32_t candidates(int32_t s) const { return lowest_[at(s)]; }
  /// Items still to come with blocks on both sides of the end of a section.
  int32_t links(int32_t s) const { return links_[at(s)]; }
  /// Differs with the set of items still to come that begin in a section.
  uint64_t waiting_hash(int32_t s) const { return waiting_hash_[at(s)]; }

  /// A block still to come in some section, by the item's number and the block's bottom above its offset.
  struct Member {
    int32_t item;
    int32_t slot;  // of the block and section, in slots_
    int64_t bottom;
  };
  std::span<const Member> members(int32_t s) const {
    return {members_.data() + begin_[at(s)], static_cast<size_t>(waiting_[at(s)])};
  }
  bool placed(int32_t item) const { return placed_[at(item)] != 0; }
  int64_t least(int32_t item) const { return least_[at(item)]; }
  int64_t offset(int32_t item) const { return least_[at(item)]; }  ///< of a placed item
  int32_t dead_section() const { return dead_; }
  /// Elementary steps so far: a measure of time that is the same on every machine.
  int64_t work() const { return work_; }

 private:
  enum class What : uint8_t { floor, top, lowest, least, lifted, placed };
  struct Change {
    What what;
    int32_t index;
    int64_t before;
  };

  struct Begin {
    int32_t item, last;
    int64_t bottom;
  };

  static size_t at(int32_t i) { return static_cast<size_t>(i); }
  const Item& item(int32_t i) const { return sections_.items[at(i)]; }
  template <typename T>
  void change(What what, std::vector<T>& values, int32_t i, T value);
  void remove(int32_t item);
  void restore(int32_t item);
  bool lift(int32_t item, int64_t least);
  void lower(int32_t item, int64_t least);
  bool lift_above(const Block& block, int64_t floor, int64_t end);
  void count_above(const Block& block, int64_t end);
  void step(int32_t first, int32_t last);
  int32_t last_of(int32_t item, int32_t section) const;
  bool stand(int32_t section, int64_t floor);
  bool settle();
  bool dead(int32_t section);
  void recheck(int32_t section);

  const Sections& sections_;
  bool inference_ = true;
  int64_t capacity_ = 0, work_ = 0;
  int32_t dead_ = 0;
  std::vector<int64_t> floor_, top_, coming_;       // of sections
  std::vector<int32_t> waiting_, lowest_, links_;   // of sections
  std::vector<uint64_t> waiting_hash_, item_hash_;  // of sections, of items
  std::vector<int64_t> least_;                      // of items
  std::vector<uint8_t> placed_;                     // of items
  std::vector<size_t> begin_;                       // of sections, in members_
  std::vector<Member> members_;                     // those to come first in each section
  std::vector<size_t> slots_;                       // index in members_, blocks one after the other
  std::vector<size_t> first_slot_;                  // of items
  std::vector<std::vector<Begin>> begins_;          // blocks, by their first section
  std::vector<int32_t> steps_;                      // of sections; all 0 between calls
  std::vector<Change> log_;
  std::vector<int32_t> unsettled_;  // sections whose floor may rise
  std::vector<uint8_t> is_unsettled_;
};

}  // namespace tidemark::arena
