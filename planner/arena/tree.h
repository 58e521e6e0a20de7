// The exact search: depth first over what lies on the floor of one section after another.
//
// In a valley of the skyline (sections of one floor between higher ones), either one of the items that fit
// between its walls lies on the floor of a section, or nothing does and the floor rises. One section with
// all its choices is a node; which section, and in which order its items are tried, is free, and a Strategy.
// Every solution in which no item can be moved down ("canonical", Moffitt 2023) is reached in just one way.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

#include "planner/arena/nogoods.h"
#include "planner/arena/skyline.h"

namespace tidemark::arena {

/// The parts of the search that can be switched off, to measure what each is worth. None changes what is
/// found to be feasible.
struct Techniques {
  bool lists = true;          ///< list heuristics come first
  bool inference = true;      ///< floors rise to the lowest bottom that is left to come
  bool canonical = true;      ///< an item rests on another or on the arena's bottom
  bool decomposition = true;  ///< sections that no item to come connects are separate problems
  bool nogoods = true;        ///< states found dead are remembered
  bool symmetry = true;       ///< of items that are alike, the first is placed first
  bool learning = true;       ///< sections in which the search died are looked at first
  bool restarts = true;       ///< strategies take turns, each with a growing share
};

/// Which section of all valleys comes first.
enum class Pick : uint8_t {
  tightest,           ///< the least slack
  tightest_weighted,  ///< the least slack over weight
  fewest,             ///< the fewest choices
  fewest_weighted,    ///< the fewest choices over weight
};

struct Strategy {
  Pick pick = Pick::tightest;
  std::vector<double> preference;  ///< of items: the highest is tried first
  std::vector<double> weight;      ///< of sections: how often the search died there
};

enum class Outcome : uint8_t { solved, exhausted, stopped };

class Tree {
 public:
  Tree(const Sections& sections, const Techniques& techniques);

  /// Forgets what was learnt about another capacity. False if no search is needed to see that it is too
  /// small.
  bool set_capacity(int64_t capacity);
  /// Searches from the start. `stop` is asked at every node.
  Outcome run(Strategy& strategy, const std::function<bool()>& stop);

  int64_t offset(int32_t item) const { return skyline_.offset(item); }
  int64_t nodes() const { return nodes_; }
  int64_t work() const { return skyline_.work() + work_; }

 private:
  struct Component {
    int32_t first, last;  // sections, inclusive
    int32_t parent;       // the node whose choice left it, or -1
  };
  /// Sections of one floor between higher ones, and the one that is decided.
  struct Valley {
    int32_t section = 0, first = 0, last = 0;
  };
  struct Node {
    Component component;
    Valley valley;
    StateKey key;
    size_t mark = 0, pending = 0;      // sizes of the log and of pending_ when it was opened
    size_t next = 0, choices_end = 0;  // in choices_
    bool raised = false;               // the last choice, that nothing lies on the floor, was taken
  };

  static size_t at(int32_t i) { return static_cast<size_t>(i); }
  void split(int32_t first, int32_t last, int32_t parent);
  /// False where the component is known to be dead.
  bool open(const Component& component);
  bool advance(int32_t node);
  Valley choose(const Component& component) const;
  double score(int32_t section) const;
  void list_choices(const Valley& valley);
  bool rests(const Item& item, int64_t offset) const;
  int64_t next_floor(const Node& node) const;
  StateKey key_of(const Component& component) const;

  const Sections& sections_;
  Techniques techniques_;
  Skyline skyline_;
  Nogoods nogoods_;
  Strategy* strategy_ = nullptr;
  bool feasible_ = false;
  int64_t nodes_ = 0;
  mutable int64_t work_ = 0;
  std::vector<int32_t> twin_;                                // of items: the one before that is alike, or -1
  std::vector<std::vector<int32_t>> begins_;                 // items by the section of a block's begin
  int64_t least_end_ = std::numeric_limits<int64_t>::max();  // of all items
  std::vector<Component> pending_;
  std::vector<Node> open_;
  std::vector<int32_t> choices_;
};

}  // namespace tidemark::arena
