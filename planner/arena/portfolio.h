// Strategies of the exact search that take turns, each with a growing share of the work.
//
// The same problem is easy for one strategy and hopeless for another, and a run that made a bad choice early
// may never recover (Gomes, Selman and Kautz 1998, "Boosting combinatorial search through randomization").
#pragma once

#include <chrono>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "planner/arena/placer.h"
#include "planner/arena/tree.h"

namespace tidemark::arena {

/// Work and time that a search may take; time is looked at now and then.
class Limit {
 public:
  Limit(int64_t work, double seconds) : work_(work), seconds_(seconds) {}
  bool reached(int64_t work);
  int64_t work() const { return work_; }

 private:
  int64_t work_;
  double seconds_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  int calls_ = 0;
  bool late_ = false;
};

class Portfolio {
 public:
  Portfolio(const Sections& sections, const Techniques& techniques);

  /// `most_work` is of this call; `limit` of all of them.
  Outcome search(int64_t capacity, int64_t most_work, Limit& limit);

  /// After a search that solved.
  Placement placement() const;
  int64_t nodes() const { return tree_.nodes(); }
  int64_t work() const { return tree_.work(); }

 private:
  struct Entry {
    Strategy strategy;
    std::string name;
    bool tried = false;  ///< at this capacity: a next run varies its preferences
  };

  Outcome run(Entry& entry, int64_t most_nodes, int64_t last_work, Limit& limit);
  void reset();

  const Sections& sections_;
  Techniques techniques_;
  Tree tree_;
  std::vector<Entry> entries_;
  std::mt19937_64 random_;
  std::string method_;
};

}  // namespace tidemark::arena
