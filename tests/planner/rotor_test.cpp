#include "planner/remat/rotor.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <queue>
#include <random>
#include <tuple>

namespace tidemark {
namespace {

/// Shortest path over all states of memory, sharing nothing with the dynamic program: any forward may run
/// from any stored or current activation, anything may be stored, nothing stored is dropped before the
/// backward that it is for.
class Exhaustive {
 public:
  explicit Exhaustive(const std::vector<Stage>& stages)
      : stages_(stages), n_(static_cast<int>(stages.size())) {}

  double seconds(int64_t memory) const {
    struct Entry {
      double cost;
      State state;
      bool operator<(const Entry& other) const { return cost > other.cost; }
    };
    std::map<State, double> best;
    std::priority_queue<Entry> queue;
    const auto push = [&](double cost, State state) {
      const auto [at, added] = best.emplace(state, cost);
      if (!added && at->second <= cost) return;
      at->second = cost;
      queue.push({cost, std::move(state)});
    };
    State start;
    start.current = 0;
    start.reached = -1;
    start.next_backward = n_ - 1;
    start.options.assign(static_cast<size_t>(n_), kNone);
    start.stored.assign(static_cast<size_t>(n_), false);
    start.stored[0] = true;  // the input of stage 0
    push(0, start);
    while (!queue.empty()) {
      const auto [cost, state] = queue.top();
      queue.pop();
      if (best.at(state) < cost) continue;
      if (state.next_backward < 0) return cost;
      expand(state, memory, [&](double extra, State next) { push(cost + extra, std::move(next)); });
    }
    return std::numeric_limits<double>::infinity();
  }

 private:
  static constexpr int kNone = -1;
  // stored[k]: the input of stage k stands by itself; options[k]: stage k's forward left this; current: the
  // stage whose input has just been made, for the next forward alone; reached: the last stage that ever ran.
  struct State {
    int current = 0, reached = 0, next_backward = 0;
    std::vector<int> options;
    std::vector<bool> stored;
    auto key() const { return std::tie(current, reached, next_backward, options, stored); }
    bool operator<(const State& other) const { return key() < other.key(); }
  };

  bool has_input(const State& s, int k) const {
    return s.stored[static_cast<size_t>(k)] || (k > 0 && s.options[static_cast<size_t>(k - 1)] != kNone);
  }

  int64_t standing(const State& s) const {
    int64_t bytes = 0;
    for (int k = 0; k < n_; ++k) {
      const Stage& stage = stages_[static_cast<size_t>(k)];
      const int option = s.options[static_cast<size_t>(k)];
      if (option != kNone) bytes += stage.options[static_cast<size_t>(option)].kept;
      if (k > 0 && s.stored[static_cast<size_t>(k)]) bytes += stages_[static_cast<size_t>(k - 1)].output;
      if (k > s.next_backward) bytes += stage.residue;
      if (k <= s.reached && k <= s.next_backward) bytes += stage.standing;
    }
    return bytes;
  }

  template <typename Visit>
  void expand(const State& s, int64_t memory, Visit visit) const {
    const int b = s.next_backward;
    const int64_t gradient = b == n_ - 1 ? 0 : stages_[static_cast<size_t>(b)].output_gradient;
    for (int k = 0; k <= b && k + 1 < n_; ++k) {
      const Stage& stage = stages_[static_cast<size_t>(k)];
      if (!has_input(s, k) && s.current != k) continue;
      const int64_t input = has_input(s, k) ? 0 : stages_[static_cast<size_t>(k - 1)].output;
      State ran = s;
      ran.current = k + 1;
      ran.reached = std::max(s.reached, k);
      const int64_t live = standing(ran) + input + gradient;
      if (k < b && live + stage.forward_peak <= memory) {
        State next = ran;
        visit(stage.forward_seconds, next);
        next.stored[static_cast<size_t>(k + 1)] = true;
        if (!has_input(s, k + 1)) visit(stage.forward_seconds, next);
      }
      if (!has_input(s, k) || s.options[static_cast<size_t>(k)] != kNone) continue;
      for (size_t o = 0; o < stage.options.size(); ++o) {
        if (live + stage.options[o].forward_peak > memory) continue;
        State next = ran;
        next.options[static_cast<size_t>(k)] = static_cast<int>(o);
        next.stored[static_cast<size_t>(k + 1)] = false;
        visit(stage.forward_seconds, next);
      }
    }
    if (!has_input(s, b)) return;
    // What was for this stage alone, and its input, go with its backward.
    State done = s;
    done.reached = std::max(s.reached, b);
    done.options[static_cast<size_t>(b)] = kNone;
    done.stored[static_cast<size_t>(b)] = b == 0;
    done.current = kNone;
    done.next_backward = b - 1;
    const Stage& stage = stages_[static_cast<size_t>(b)];
    State without = s;
    without.options[static_cast<size_t>(b)] = kNone;
    const int option = s.options[static_cast<size_t>(b)];
    if (option != kNone &&
        standing(without) + stage.options[static_cast<size_t>(option)].backward_peak <= memory)
      visit(stage.options[static_cast<size_t>(option)].backward_seconds, done);
    if (option == kNone && standing(without) + stage.direct_peak <= memory) visit(stage.direct_seconds, done);
  }

  const std::vector<Stage>& stages_;
  int n_;
};

std::vector<Stage> random_chain(std::mt19937& random, int count) {
  const auto draw = [&](int n) { return static_cast<int64_t>(random() % static_cast<unsigned>(n)); };
  std::vector<Stage> stages;
  for (int k = 0; k < count; ++k) {
    Stage s;
    s.forward_seconds = 1 + static_cast<double>(draw(9));
    s.output = 1 + draw(3);
    s.forward_peak = s.output + draw(3);
    s.output_gradient = draw(3);
    s.residue = draw(2);
    s.standing = k + 1 < count ? draw(2) : 0;  // the last forward runs but once
    s.direct_seconds = s.forward_seconds + 1 + static_cast<double>(draw(9));
    s.direct_peak = 2 + draw(6);
    for (int64_t o = k + 1 < count ? draw(3) : -1; o >= 0; --o) {
      StageOption option;
      option.kept = s.output + draw(4);
      option.forward_peak = std::max(s.forward_peak, option.kept) + draw(2);
      option.backward_seconds =
          s.direct_seconds - static_cast<double>(draw(static_cast<int>(s.forward_seconds) + 1));
      option.backward_peak = option.kept - s.output + 2 + draw(4);
      s.options.push_back(option);
    }
    stages.push_back(s);
  }
  return stages;
}

TEST(Rotor, FindsTheFastestOfAllSequencesOfSmallChains) {
  std::mt19937 random(5);
  int feasible = 0, slower = 0;
  for (int round = 0; round < 60; ++round) {
    const auto stages = random_chain(random, 2 + static_cast<int>(random() % 3));
    const RotorTable table(stages, 1, 24);
    const Exhaustive exhaustive(stages);
    double fastest = 0;
    for (int memory = 24; memory >= 0; memory -= 2) {
      const double expected = exhaustive.seconds(memory);
      ASSERT_DOUBLE_EQ(table.seconds(memory), expected) << "round " << round << " memory " << memory;
      if (std::isinf(expected)) break;
      ++feasible;
      if (memory == 24) fastest = expected;
      slower += expected > fastest ? 1 : 0;
    }
  }
  EXPECT_GT(feasible, 200);
  EXPECT_GT(slower, 50);
}

/// A chain in which nothing but inputs of stages can be kept, all of one size, and only forwards cost.
std::vector<Stage> uniform_chain(int count) {
  Stage s;
  s.forward_seconds = 1;
  s.output = 1;
  s.direct_seconds = 0;
  return std::vector<Stage>(static_cast<size_t>(count), s);
}

double binomial(int n, int k) {
  double value = 1;
  for (int i = 1; i <= k; ++i) value = value * (n - k + i) / i;
  return value;
}

TEST(Rotor, CountsTheForwardsOfRevolveOnUniformChains) {
  // Griewank & Walther 2000: with c checkpoints besides the chain's input, the fewest forward steps for l
  // stages are r l - C(c + r, c + 1), where r is the least with C(c + r, c) >= l. There each stage's last
  // forward is part of its backward, which here is free, so the table does not count it. A forward works in
  // place, in the unit where its result may stay.
  for (int length = 1; length <= 30; ++length) {
    const RotorTable table(uniform_chain(length), 1, 8);
    for (int memory = 1; memory <= 8; ++memory) {
      int r = 0;
      while (binomial(memory + r, memory) < length) ++r;
      EXPECT_DOUBLE_EQ(table.seconds(memory), r * length - binomial(memory + r, memory + 1))
          << length << " stages, " << memory << " units";
    }
  }
}

TEST(Rotor, SequencesTakeTheTimeThatTheTableSays) {
  std::mt19937 random(6);
  for (int round = 0; round < 50; ++round) {
    const auto stages = random_chain(random, 8);
    const RotorTable table(stages, 1, 40);
    for (int memory = 0; memory <= 40; ++memory) {
      const auto actions = table.solve(memory);
      ASSERT_EQ(actions.has_value(), !std::isinf(table.seconds(memory)));
      if (!actions) continue;
      double seconds = 0;
      int next = static_cast<int>(stages.size()) - 1;
      for (const StageAction& a : *actions) {
        const Stage& stage = stages[static_cast<size_t>(a.stage)];
        if (a.kind == StageAction::Kind::forward) {
          seconds += stage.forward_seconds;
          continue;
        }
        EXPECT_EQ(a.stage, next--);
        seconds += a.kind == StageAction::Kind::direct
                       ? stage.direct_seconds
                       : stage.options[static_cast<size_t>(a.option)].backward_seconds;
      }
      EXPECT_EQ(next, -1);
      EXPECT_DOUBLE_EQ(seconds, table.seconds(memory));
    }
  }
}

}  // namespace
}  // namespace tidemark
