#include "planner/arena/placer.h"

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>

#include "planner/arena/occupancy.h"

namespace tidemark::arena {
namespace {

constexpr std::array<Key, 6> kKeys = {Key::life, Key::size, Key::area, Key::peak, Key::first, Key::last};

enum class Fit : uint8_t {
  lowest,  // the lowest gap that is large enough
  best,    // the smallest gap that is large enough
};

class Placer {
 public:
  explicit Placer(const Sections& sections)
      : sections_(sections), taken_(sections.count), offsets_(sections.items.size(), 0) {}

  /// Returns the end, or early some value that is not below `give_up`.
  int64_t place(const std::vector<size_t>& order, Fit fit, int64_t give_up) {
    taken_.clear();
    int64_t end = 0;
    for (size_t i : order) {
      const Item& item = sections_.items[i];
      offsets_[i] = find_gap(item, fit);
      end = std::max(end, offsets_[i] + item.height);
      if (end >= give_up) break;
      taken_.add(item.first(), item.last(), {offsets_[i], offsets_[i] + item.height});
    }
    return end;
  }
  const std::vector<int64_t>& offsets() const { return offsets_; }

 private:
  int64_t find_gap(const Item& item, Fit fit) {
    Occupancy::Bytes best{0, Occupancy::kOpen};
    taken_.each_gap(item.first(), item.last(), item.height, [&](const Occupancy::Bytes& gap) {
      if (best.end == Occupancy::kOpen || gap.size() < best.size()) best = gap;
      return fit == Fit::best;
    });
    return best.begin;
  }

  const Sections& sections_;
  Occupancy taken_;
  std::vector<int64_t> offsets_;
};

int32_t peak_section(const Sections& sections) {
  std::vector<int64_t> change(static_cast<size_t>(sections.count) + 1, 0);
  for (const Item& item : sections.items)
    for (const Block& b : item.blocks) {
      change[static_cast<size_t>(b.first)] += b.height;
      change[static_cast<size_t>(b.last) + 1] -= b.height;
    }
  std::partial_sum(change.begin(), change.end(), change.begin());
  return static_cast<int32_t>(std::max_element(change.begin(), change.end()) - change.begin());
}

std::vector<size_t> order_by(const Sections& sections, Key key) {
  const std::vector<double> keys = keys_of(sections, key);
  std::vector<size_t> order(sections.items.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    if (keys[a] != keys[b]) return keys[a] > keys[b];
    const int64_t size_a = sections.items[a].height, size_b = sections.items[b].height;
    return size_a != size_b ? size_a > size_b : a < b;
  });
  return order;
}

}  // namespace

const char* name_of(Key key) {
  switch (key) {
    case Key::life: return "longest life";
    case Key::size: return "largest";
    case Key::area: return "largest area";
    case Key::sections: return "most sections";
    case Key::peak: return "peak first";
    case Key::first: return "earliest";
    case Key::last: break;
  }
  return "latest";
}

std::vector<double> keys_of(const Sections& sections, Key key) {
  const int32_t peak = key == Key::peak ? peak_section(sections) : 0;
  std::vector<double> keys;
  for (const Item& item : sections.items) {
    const auto size = static_cast<double>(item.height);
    switch (key) {
      case Key::life: keys.push_back(item.life); break;
      case Key::size: keys.push_back(size); break;
      case Key::area: keys.push_back(size * item.life); break;
      case Key::sections: keys.push_back(item.last() - item.first() + 1); break;
      case Key::peak:
        keys.push_back(size * item.life + (item.first() <= peak && peak <= item.last() ? 1e40 : 0));
        break;
      case Key::first: keys.push_back(-item.first()); break;
      case Key::last: keys.push_back(item.last()); break;
    }
  }
  return keys;
}

Placement place_by_lists(const Sections& sections, int64_t good_enough) {
  Placer placer(sections);
  Placement best;
  best.end = std::numeric_limits<int64_t>::max();
  for (Key key : kKeys) {
    const std::vector<size_t> order = order_by(sections, key);
    for (Fit fit : {Fit::lowest, Fit::best}) {
      const int64_t end = placer.place(order, fit, best.end);
      if (end >= best.end) continue;
      best = {placer.offsets(), end, std::string(name_of(key)) + (fit == Fit::best ? ", best fit" : "")};
      if (end <= good_enough) return best;
    }
  }
  return best;
}

}  // namespace tidemark::arena
