#include "planner/arena/skyline.h"

#include <algorithm>
#include <limits>
#include <random>
#include <utility>

namespace tidemark::arena {

Skyline::Skyline(const Sections& sections) : sections_(sections) {
  const size_t items = sections.items.size();
  begin_.assign(at(sections.count) + 1, 0);
  for (const Item& i : sections.items)
    for (const Block& b : i.blocks)
      for (int32_t s = b.first; s <= b.last; ++s) ++begin_[at(s) + 1];
  for (size_t s = 1; s < begin_.size(); ++s) begin_[s] += begin_[s - 1];
  members_.resize(begin_.back());
  slots_.resize(begin_.back());
  std::vector<size_t> next(begin_.begin(), begin_.end() - 1);
  size_t slot = 0;
  for (size_t i = 0; i < items; ++i) {
    first_slot_.push_back(slot);
    for (const Block& b : sections.items[i].blocks)
      for (int32_t s = b.first; s <= b.last; ++s, ++slot) {
        slots_[slot] = next[at(s)]++;
        members_[slots_[slot]] = {static_cast<int32_t>(i), static_cast<int32_t>(slot), b.bottom};
      }
  }
  begins_.resize(at(sections.count));
  for (size_t i = 0; i < items; ++i)
    for (const Block& b : sections.items[i].blocks)
      begins_[at(b.first)].push_back({static_cast<int32_t>(i), b.last, b.bottom});
  steps_.assign(at(sections.count) + 1, 0);
  std::mt19937_64 random(20231118);
  for (size_t i = 0; i < items; ++i) item_hash_.push_back(random());
}

bool Skyline::reset(int64_t capacity, bool inference) {
  capacity_ = capacity;
  inference_ = inference;
  log_.clear();
  unsettled_.clear();
  const size_t sections = at(sections_.count), items = sections_.items.size();
  is_unsettled_.assign(sections, 0);
  floor_.assign(sections, 0);
  top_.assign(sections, 0);
  coming_.assign(sections, 0);
  waiting_.assign(sections, 0);
  lowest_.assign(sections, 0);
  links_.assign(sections, 0);
  waiting_hash_.assign(sections, 0);
  least_.assign(items, 0);
  placed_.assign(items, 1);
  for (size_t i = 0; i < items; ++i) restore(static_cast<int32_t>(i));
  for (size_t i = 0; i < items; ++i)
    if (sections_.items[i].height > capacity) return dead(sections_.items[i].first());
  for (int32_t s = 0; s < sections_.count; ++s) {
    if (coming_[at(s)] > capacity) return dead(s);
    for (const Member& m : members(s)) lowest_[at(s)] += m.bottom == 0 ? 1 : 0;
    if (lowest_[at(s)] == 0) recheck(s);
  }
  return settle();
}

void Skyline::remove(int32_t i) {
  size_t slot = first_slot_[at(i)];
  for (const Block& b : item(i).blocks) {
    for (int32_t s = b.first; s <= b.last; ++s, ++slot) {
      // The removed one goes behind those still to come; undone in reverse, it need not move back.
      const size_t last = begin_[at(s)] + static_cast<size_t>(--waiting_[at(s)]);
      const size_t here = slots_[slot];
      std::swap(members_[here], members_[last]);
      slots_[static_cast<size_t>(members_[here].slot)] = here;
      slots_[slot] = last;
      coming_[at(s)] -= b.height;
    }
  }
  for (int32_t s = item(i).first(); s < item(i).last(); ++s) --links_[at(s)];
  waiting_hash_[at(item(i).first())] ^= item_hash_[at(i)];
  placed_[at(i)] = 1;
}

void Skyline::restore(int32_t i) {
  for (const Block& b : item(i).blocks)
    for (int32_t s = b.first; s <= b.last; ++s) {
      ++waiting_[at(s)];
      coming_[at(s)] += b.height;
    }
  for (int32_t s = item(i).first(); s < item(i).last(); ++s) ++links_[at(s)];
  waiting_hash_[at(item(i).first())] ^= item_hash_[at(i)];
  placed_[at(i)] = 0;
}

template <typename T>
void Skyline::change(What what, std::vector<T>& values, int32_t i, T value) {
  log_.push_back({what, i, static_cast<int64_t>(values[at(i)])});
  values[at(i)] = value;
}

void Skyline::undo(size_t mark) {
  while (log_.size() > mark) {
    const Change c = log_.back();
    log_.pop_back();
    switch (c.what) {
      case What::floor: floor_[at(c.index)] = c.before; break;
      case What::top: top_[at(c.index)] = c.before; break;
      case What::lowest: lowest_[at(c.index)] = static_cast<int32_t>(c.before); break;
      case What::least: least_[at(c.index)] = c.before; break;
      case What::lifted: lower(c.index, c.before); break;
      case What::placed: restore(c.index); break;
    }
  }
}

bool Skyline::dead(int32_t section) {
  dead_ = section;
  for (int32_t s : unsettled_) is_unsettled_[at(s)] = 0;
  unsettled_.clear();
  return false;
}

void Skyline::recheck(int32_t s) {
  if (is_unsettled_[at(s)]) return;
  is_unsettled_[at(s)] = 1;
  unsettled_.push_back(s);
}

/// Raises an item's least offset. Where it was one of the lowest to come, the floor may follow.
bool Skyline::lift(int32_t i, int64_t least) {
  const int64_t before = least_[at(i)];
  change(What::lifted, least_, i, least);
  for (const Block& b : item(i).blocks) {
    work_ += b.last - b.first + 1;
    for (int32_t s = b.first; s <= b.last; ++s)
      if (floor_[at(s)] == before + b.bottom && --lowest_[at(s)] == 0) recheck(s);
  }
  return least + item(i).height <= capacity_;
}

/// Undoes a lift(): the floors are what they were at its time.
void Skyline::lower(int32_t i, int64_t least) {
  least_[at(i)] = least;
  for (const Block& b : item(i).blocks)
    for (int32_t s = b.first; s <= b.last; ++s)
      if (floor_[at(s)] == least + b.bottom) ++lowest_[at(s)];
}

/// Sets a floor and lifts what is to come above it.
bool Skyline::stand(int32_t s, int64_t floor) {
  change(What::floor, floor_, s, floor);
  if (slack(s) < 0) return dead(s);
  int32_t lowest = 0;
  work_ += waiting_[at(s)];
  for (const Member& m : members(s)) {
    if (least_[at(m.item)] + m.bottom < floor && !lift(m.item, floor - m.bottom)) return dead(s);
    if (least_[at(m.item)] + m.bottom == floor) ++lowest;
  }
  change(What::lowest, lowest_, s, lowest);
  if (lowest == 0) recheck(s);
  return true;
}

bool Skyline::settle() {
  while (!unsettled_.empty()) {
    const int32_t s = unsettled_.back();
    unsettled_.pop_back();
    is_unsettled_[at(s)] = 0;
    if (!inference_ || waiting_[at(s)] == 0) continue;
    int64_t lowest = std::numeric_limits<int64_t>::max();
    work_ += waiting_[at(s)];
    for (const Member& m : members(s)) lowest = std::min(lowest, least_[at(m.item)] + m.bottom);
    if (lowest > floor_[at(s)] && !stand(s, lowest)) return false;
  }
  return true;
}

int32_t Skyline::last_of(int32_t i, int32_t section) const {
  const auto& blocks = item(i).blocks;
  auto b = blocks.begin();
  while (b->last < section) ++b;
  return b->last;
}

/// Adds to steps_, so that its running sum grows by one over sections first..last.
void Skyline::step(int32_t first, int32_t last) {
  ++steps_[at(first)];
  --steps_[at(last) + 1];
}

/// Lifts what overlaps a block just placed above its end. As most of it stood on the floor that the block
/// stands on, its sections are counted down together.
bool Skyline::lift_above(const Block& block, int64_t floor, int64_t end) {
  int32_t from = sections_.count, to = -1;
  bool alive = true;
  const auto lift_one = [&](int32_t i, int64_t bottom) {
    if (!alive || placed_[at(i)] || least_[at(i)] + bottom >= end) return;
    const Item& v = item(i);
    if (v.blocks.size() > 1 || bottom != 0 || least_[at(i)] != floor) {
      alive = lift(i, end - bottom);
      return;
    }
    change(What::least, least_, i, end);
    alive = end + v.height <= capacity_;
    step(v.first(), v.last());
    from = std::min(from, v.first());
    to = std::max(to, v.last());
  };
  for (const Member& m : members(block.first)) lift_one(m.item, m.bottom);
  for (int32_t s = block.first + 1; s <= block.last; ++s)
    for (const Begin& b : begins_[at(s)]) lift_one(b.item, b.bottom);
  int32_t lifted = 0;
  work_ += waiting_[at(block.first)] + std::max(0, to - from + 1);
  for (int32_t s = from; s <= to; ++s) {
    lifted += std::exchange(steps_[at(s)], 0);
    if (lifted == 0 || floor_[at(s)] != floor || !alive) continue;
    change(What::lowest, lowest_, s, lowest_[at(s)] - lifted);
    if (lowest_[at(s)] == 0) recheck(s);
  }
  if (to >= 0) steps_[at(to) + 1] = 0;
  return alive;
}

/// Counts what can lie on a block just placed.
void Skyline::count_above(const Block& block, int64_t end) {
  for (const Member& m : members(block.first))
    if (least_[at(m.item)] + m.bottom == end)
      step(block.first, std::min(last_of(m.item, block.first), block.last));
  for (int32_t s = block.first + 1; s <= block.last; ++s)
    for (const Begin& b : begins_[at(s)])
      if (!placed_[at(b.item)] && least_[at(b.item)] + b.bottom == end) step(s, std::min(b.last, block.last));
  int32_t lowest = 0;
  work_ += waiting_[at(block.first)] + block.last - block.first + 1;
  for (int32_t s = block.first; s <= block.last; ++s) {
    lowest += std::exchange(steps_[at(s)], 0);
    change(What::lowest, lowest_, s, lowest);
    if (lowest == 0) recheck(s);
  }
  steps_[at(block.last) + 1] = 0;
}

bool Skyline::place(int32_t i) {
  log_.push_back({What::placed, i, 0});
  remove(i);
  for (const Block& b : item(i).blocks) {
    const int64_t floor = least_[at(i)] + b.bottom, end = floor + b.height;
    for (int32_t s = b.first; s <= b.last; ++s) {
      change(What::top, top_, s, end);
      change(What::floor, floor_, s, end);
      if (slack(s) < 0) return dead(s);
    }
    if (!lift_above(b, floor, end)) return dead(b.first);
    count_above(b, end);
  }
  return settle();
}

bool Skyline::raise(int32_t s, int64_t floor) {
  return stand(s, floor) && settle();
}

}  // namespace tidemark::arena
