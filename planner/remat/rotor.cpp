#include "planner/remat/rotor.h"

#include <algorithm>
#include <limits>

namespace tidemark {
namespace {

constexpr double kInfinite = std::numeric_limits<double>::infinity();

}  // namespace

RotorTable::RotorTable(const std::vector<Stage>& stages, int64_t unit, int slots)
    : stages_(stages),
      unit_(unit),
      slots_(slots),
      stride_(static_cast<size_t>(slots) + 1),
      stands_(stages.size(), 0),
      residue_after_(stages.size(), 0),
      cells_(stages.size() * stages.size() * stride_, Cell{kInfinite, 0}) {
  for (size_t s = stages.size() - 1; s-- > 0;)
    residue_after_[s] = residue_after_[s + 1] + stages[s + 1].residue;
  for (size_t s = 0; s < stages.size(); ++s) stands_[s] = stages[s].standing + (s > 0 ? stands_[s - 1] : 0);
  for (size_t length = 0; length < stages.size(); ++length)
    for (size_t from = 0; from + length < stages.size(); ++from) fill(from, from + length);
}

int64_t RotorTable::beside(size_t stage, size_t to) const {
  // Before the first backward, forwards run for the first time.
  if (to + 1 == stages_.size()) return stands_[stage];
  return stands_[to] + stages_[to].output_gradient + residue_after_[to];
}

void RotorTable::fill(size_t from, size_t to) {
  if (from == to) {
    Cell* cells = &cells_[index(from, to)];
    for (int64_t m = units(stages_[from].direct_peak + stands_[from] + residue_after_[from]); m <= slots_;
         ++m)
      cells[m] = {stages_[from].direct_seconds, 0};
  }
  for (size_t o = 0; o < stages_[from].options.size(); ++o) try_option(from, to, static_cast<int>(o));
  try_checkpoints(from, to);
}

void RotorTable::try_option(size_t from, size_t to, int option) {
  const StageOption& o = stages_[from].options[static_cast<size_t>(option)];
  const int64_t kept = units(o.kept);
  const int64_t least = std::max({kept, units(o.forward_peak + beside(from, to)),
                                  units(o.backward_peak + stands_[from] + residue_after_[from])});
  Cell* cells = &cells_[index(from, to)];
  const Cell* rest = from == to ? nullptr : &cells_[index(from + 1, to)];
  const double own = stages_[from].forward_seconds + o.backward_seconds;
  for (int64_t m = least; m <= slots_; ++m) {
    const double seconds = own + (rest ? rest[m - kept].seconds : 0);
    if (seconds < cells[m].seconds) cells[m] = {seconds, static_cast<int16_t>(-1 - option)};
  }
}

void RotorTable::try_checkpoints(size_t from, size_t to) {
  Cell* cells = &cells_[index(from, to)];
  double forward = 0;
  int64_t least = 0;
  for (size_t next = from + 1; next <= to; ++next) {
    const Stage& last = stages_[next - 1];
    forward += last.forward_seconds;
    const int64_t input = next - 1 == from ? 0 : stages_[next - 2].output;
    const int64_t kept = units(last.output);
    least = std::max({least, kept, units(input + last.forward_peak + beside(next - 1, to))});
    const Cell* right = &cells_[index(next, to)];
    const Cell* left = &cells_[index(from, next - 1)];
    for (int64_t m = least; m <= slots_; ++m) {
      const double seconds = forward + right[m - kept].seconds + left[m].seconds;
      if (seconds < cells[m].seconds) cells[m] = {seconds, static_cast<int16_t>(next - from)};
    }
  }
}

double RotorTable::seconds(int memory) const {
  return cells_[index(0, stages_.size() - 1) + static_cast<size_t>(memory)].seconds;
}

std::optional<std::vector<StageAction>> RotorTable::solve(int memory) const {
  if (seconds(memory) == kInfinite) return std::nullopt;
  std::vector<StageAction> actions;
  append(0, stages_.size() - 1, memory, actions);
  return actions;
}

void RotorTable::append(size_t from, size_t to, int64_t memory, std::vector<StageAction>& actions) const {
  using Kind = StageAction::Kind;
  const int choice = cells_[index(from, to) + static_cast<size_t>(memory)].choice;
  const auto stage = static_cast<int>(from);
  if (choice == 0) {
    actions.push_back({Kind::direct, stage});
  } else if (choice < 0) {
    const int option = -1 - choice;
    actions.push_back({Kind::forward, stage, option});
    if (from < to)
      append(from + 1, to, memory - units(stages_[from].options[static_cast<size_t>(option)].kept), actions);
    actions.push_back({Kind::backward, stage, option});
  } else {
    const size_t next = from + static_cast<size_t>(choice);
    for (size_t s = from; s < next; ++s) actions.push_back({Kind::forward, static_cast<int>(s)});
    append(next, to, memory - units(stages_[next - 1].output), actions);
    append(from, next - 1, memory, actions);
  }
}

}  // namespace tidemark
