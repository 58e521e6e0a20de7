#include "planner/remat/moments_program.h"

#include <algorithm>
#include <limits>

#include "planner/remat/moment.h"

namespace tidemark {
namespace {

constexpr double kUnlimited = std::numeric_limits<double>::infinity();

}  // namespace

MomentsProgram::MomentsProgram(const SearchGraph& graph, const std::vector<OpId>& moments, int64_t room)
    : graph_(graph), moments_(moments) {
  find_windows();
  add_live();
  add_runs();
  for (int from = 0; from < intervals(); ++from)
    for (int to = from + 1; to <= intervals(); ++to)
      if (from > 0 || to == 1) add_between(from, to);
  add_memory(room);
}

void MomentsProgram::find_windows() {
  windows_.assign(graph_.ops.size(), {0, intervals() - 1, intervals() - 1});
  for (int k = 0; k < intervals() - 1; ++k) {
    const OpId moment = moments_[static_cast<size_t>(k)];
    const std::vector<bool> before = reached(graph_, moment, &SearchGraph::Op::after);
    const std::vector<bool> behind = reached(graph_, moment, &SearchGraph::Op::then);
    for (size_t i = 0; i < windows_.size(); ++i) {
      if (behind[i]) windows_[i].first = k + 1;
      if (before[i] || static_cast<OpId>(i) == moment) windows_[i].must = std::min(windows_[i].must, k);
    }
  }
  for (size_t i = 0; i < windows_.size(); ++i) {
    if (!op(i).recomputable) windows_[i].last = windows_[i].must;
    for (OpId spoiler : op(i).spoiled_by)
      windows_[i].last = std::min(windows_[i].last, windows_[static_cast<size_t>(spoiler)].must);
    windows_[i].last = std::max(windows_[i].last, windows_[i].must);
  }
}

bool MomentsProgram::is_operand(int interval, ValueId id) const {
  if (interval == 0) return false;
  const std::vector<ValueId>& operands = operands_[static_cast<size_t>(interval) - 1];
  return std::binary_search(operands.begin(), operands.end(), id);
}

int32_t MomentsProgram::live(int interval, ValueId id) const {
  return interval == 0 ? kNone : live_[static_cast<size_t>(interval) - 1][static_cast<size_t>(id)];
}

void MomentsProgram::add_live() {
  for (int k = 1; k < intervals(); ++k) {
    const auto moment = static_cast<size_t>(moments_[static_cast<size_t>(k) - 1]);
    operands_.push_back(op(moment).reads);
    operands_.back().insert(operands_.back().end(), op(moment).makes.begin(), op(moment).makes.end());
    std::sort(operands_.back().begin(), operands_.back().end());
    std::vector<int32_t>& columns = live_.emplace_back(graph_.values.size(), kNone);
    for (size_t v = 0; v < columns.size(); ++v) {
      const auto id = static_cast<ValueId>(v);
      if (value(id).bytes == 0 || is_operand(k, id)) continue;
      if (windows_[static_cast<size_t>(value(id).producer)].first >= k) continue;
      const bool is_read = value(id).to_the_end ||
                           std::any_of(value(id).readers.begin(), value(id).readers.end(),
                                       [&](OpId r) { return windows_[static_cast<size_t>(r)].last >= k; });
      if (is_read) columns[v] = add_column(0);
    }
  }
}

void MomentsProgram::add_runs() {
  runs_.resize(static_cast<size_t>(intervals()), std::vector<Run>(graph_.ops.size()));
  for (size_t i = 0; i < graph_.ops.size(); ++i) {
    const Window& w = windows_[i];
    std::vector<IntegerProgram::Entry> first;
    for (int j = w.first; j <= w.last; ++j) {
      Run& run = runs_[static_cast<size_t>(j)][i];
      if (w.first == w.must && j == w.first) {
        run.runs = Runs::surely;
        once_ += op(i).seconds;
        continue;
      }
      run = {Runs::maybe, add_column(op(i).seconds)};
      if (j <= w.must) first.push_back({run.column, 1});
    }
    if (!first.empty()) add_row(1, kUnlimited, std::move(first));
  }
  // What a run depends on has run, whether or not there are bytes to read.
  for (int j = 0; j < intervals(); ++j)
    for (size_t i = 0; i < graph_.ops.size(); ++i) {
      const Run& run = runs_[static_cast<size_t>(j)][i];
      for (OpId a : op(i).after) {
        const auto earlier = static_cast<size_t>(a);
        if (run.runs != Runs::maybe || windows_[earlier].must < j ||
            runs_[static_cast<size_t>(windows_[earlier].first)][earlier].runs == Runs::surely)
          continue;
        std::vector<IntegerProgram::Entry> entries = {{run.column, -1}};
        for (int l = windows_[earlier].first; l <= j; ++l)
          entries.push_back({runs_[static_cast<size_t>(l)][earlier].column, 1});
        add_row(0, kUnlimited, std::move(entries));
      }
    }
}

MomentsProgram::Run MomentsProgram::add_run(int from, int to, size_t id) {
  const Window& w = windows_[id];
  if (w.first >= from && w.must < to) return {Runs::surely};
  const int first = std::max(w.first, from), last = std::min(w.last, to - 1);
  if (first > last) return {};
  if (first == last) return runs_[static_cast<size_t>(first)][id];
  const Run run{Runs::maybe, add_column(0)};
  std::vector<IntegerProgram::Entry> entries = {{run.column, -1}};
  for (int j = first; j <= last; ++j) entries.push_back({runs_[static_cast<size_t>(j)][id].column, 1});
  add_row(0, kUnlimited, std::move(entries));
  return run;
}

void MomentsProgram::add_between(int from, int to) {
  between_.clear();
  for (size_t i = 0; i < graph_.ops.size(); ++i) between_.push_back(add_run(from, to, i));
  for (size_t i = 0; i < graph_.ops.size(); ++i)
    if (between_[i].runs != Runs::never)
      for (ValueId v : op(i).reads) need(from, v, between_[i].column);
  for (size_t v = 0; v < graph_.values.size(); ++v) {
    const auto id = static_cast<ValueId>(v);
    if (to == intervals()) {
      if (value(id).to_the_end && value(id).bytes > 0) need(from, id, kNone);
    } else if (live(to, id) != kNone) {
      need(from, id, live(to, id));
    }
  }
}

void MomentsProgram::need(int from, ValueId id, int32_t by) {
  const Run& made = between_[static_cast<size_t>(value(id).producer)];
  if (is_operand(from, id) || made.runs == Runs::surely) return;
  std::vector<IntegerProgram::Entry> entries;
  for (int32_t column : {live(from, id), made.column})
    if (column != kNone) entries.push_back({column, 1});
  if (by != kNone) entries.push_back({by, -1});
  add_row(by == kNone ? 1 : 0, kUnlimited, std::move(entries));
}

void MomentsProgram::add_memory(int64_t room) {
  for (int k = 1; k < intervals(); ++k) {
    const int64_t left = room - operand_bytes(graph_, moments_[static_cast<size_t>(k) - 1]);
    std::vector<IntegerProgram::Entry> entries;
    for (size_t v = 0; v < graph_.values.size(); ++v)
      if (const int32_t column = live(k, static_cast<ValueId>(v)); column != kNone)
        entries.push_back({column, static_cast<double>(graph_.values[v].bytes) / static_cast<double>(room)});
    add_row(-kUnlimited, static_cast<double>(left) / static_cast<double>(room), std::move(entries));
  }
}

int32_t MomentsProgram::add_column(double cost) {
  program_.columns.push_back({0, 1, cost});
  return static_cast<int32_t>(program_.columns.size()) - 1;
}

void MomentsProgram::add_row(double lower, double upper, std::vector<IntegerProgram::Entry> entries) {
  program_.rows.push_back({lower, upper, std::move(entries)});
}

}  // namespace tidemark
