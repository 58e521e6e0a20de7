#include "planner/remat/integer_program.h"

#include <algorithm>
#include <limits>

#include "base/divided.h"
#include "planner/plan.h"

namespace tidemark {
namespace {

constexpr double kUnlimited = std::numeric_limits<double>::infinity();
constexpr int64_t kMostUnits = 1'000'000;  // of memory: what a solver's tolerances tell apart

/// By op: those that it depends on.
std::vector<std::vector<bool>> ancestors(const SearchGraph& graph) {
  std::vector<std::vector<bool>> all(graph.ops.size(), std::vector<bool>(graph.ops.size(), false));
  for (size_t i = 0; i < all.size(); ++i)
    for (OpId a : graph.ops[i].after) {
      const auto& further = all[static_cast<size_t>(a)];
      for (size_t k = 0; k < further.size(); ++k) all[i][k] = all[i][k] || further[k];
      all[i][static_cast<size_t>(a)] = true;
    }
  return all;
}

}  // namespace

SlotProgram::SlotProgram(const SearchGraph& graph, int64_t room, int again)
    : graph_(graph), slots_(graph.ops.size() + static_cast<size_t>(again)) {
  find_windows();
  add_runs();
  add_values();
  add_dependencies();
  add_memory(room);
}

int64_t SlotProgram::columns(const SearchGraph& graph, int again) {
  return (static_cast<int64_t>(graph.ops.size()) + again) *
         static_cast<int64_t>(graph.ops.size() + graph.values.size());
}

std::vector<OpId> SlotProgram::order(const std::vector<double>& columns) const {
  std::vector<OpId> order;
  for (size_t i = 0; i < runs_.size(); ++i)
    if (runs_[i] != kNone && columns[static_cast<size_t>(runs_[i])] > 0.5)
      order.push_back(static_cast<OpId>(i % graph_.ops.size()));
  return order;
}

int32_t SlotProgram::add_column(double cost, double lower) {
  program_.columns.push_back({lower, 1, cost});
  return static_cast<int32_t>(program_.columns.size()) - 1;
}

void SlotProgram::add_row(double lower, double upper, std::vector<IntegerProgram::Entry> entries) {
  program_.rows.push_back({lower, upper, std::move(entries)});
}

void SlotProgram::add_entry(std::vector<IntegerProgram::Entry>& entries, int32_t column, double factor) {
  if (column != kNone) entries.push_back({column, factor});
}

/// All that an op depends on runs before it; where it runs but once, all that depends on it runs behind it.
void SlotProgram::find_windows() {
  const std::vector<std::vector<bool>> before = ancestors(graph_);
  const size_t count = graph_.ops.size();
  first_.assign(count, 0);
  last_.assign(count, slots_ - 1);
  for (size_t i = 0; i < count; ++i)
    for (size_t a = 0; a < count; ++a)
      if (before[i][a]) {
        ++first_[i];
        --last_[a];
      }
  for (size_t i = count; i-- > 0;) {
    if (!op(i).recomputable) continue;
    // It may run again as long as somebody reads it.
    size_t last = last_[i];
    for (ValueId v : op(i).makes)
      for (OpId reader : graph_.values[static_cast<size_t>(v)].readers)
        last = std::max(last, last_[static_cast<size_t>(reader)] - 1);
    for (ValueId v : op(i).makes)
      if (graph_.values[static_cast<size_t>(v)].to_the_end) last = slots_ - 1;
    last_[i] = last;
  }
}

void SlotProgram::add_runs() {
  const size_t count = graph_.ops.size();
  runs_.assign(slots_ * count, kNone);
  for (size_t t = 0; t < slots_; ++t)
    for (size_t i = 0; i < count; ++i)
      if (first_[i] <= t && t <= last_[i]) runs(t, i) = add_column(op(i).seconds);
  for (size_t i = 0; i < count; ++i) {
    std::vector<IntegerProgram::Entry> all;
    for (size_t t = 0; t < slots_; ++t) add_entry(all, runs(t, i), 1);
    add_row(1, op(i).recomputable ? kUnlimited : 1, std::move(all));
  }
  for (size_t t = 0; t < slots_; ++t) {
    std::vector<IntegerProgram::Entry> all, fewer;
    for (size_t i = 0; i < count; ++i) {
      add_entry(all, runs(t, i), 1);
      add_entry(fewer, runs(t, i), 1);
      if (t > count) add_entry(fewer, runs(t - 1, i), -1);
    }
    add_row(t < count ? 1 : 0, 1, std::move(all));
    if (t > count) add_row(-kUnlimited, 0, std::move(fewer));
  }
}

void SlotProgram::add_values() {
  there_.assign(slots_ * graph_.values.size(), kNone);
  for (size_t v = 0; v < graph_.values.size(); ++v) {
    const SearchGraph::Value& value = graph_.values[v];
    if (value.bytes == 0) continue;
    const auto producer = static_cast<size_t>(value.producer);
    for (size_t t = first_[producer]; t < slots_; ++t) {
      const bool end = value.to_the_end && t + 1 == slots_;
      const int32_t column = there(t, v) = add_column(0, end ? 1 : 0);
      std::vector<IntegerProgram::Entry> from = {{column, 1}}, readers = {{column, -1}};
      if (t > 0) add_entry(from, there(t - 1, v), -1);
      add_entry(from, runs(t, producer), -1);
      add_row(-kUnlimited, 0, std::move(from));
      // One op runs in the slot: it reads or makes the value, or neither.
      add_entry(readers, runs(t, producer), 1);
      for (OpId reader : value.readers) add_entry(readers, runs(t, static_cast<size_t>(reader)), 1);
      add_row(-kUnlimited, 0, std::move(readers));
    }
  }
}

void SlotProgram::add_dependencies() {
  for (size_t i = 0; i < graph_.ops.size(); ++i) {
    const SearchGraph::Op& o = op(i);
    for (OpId a : o.after) {
      const bool spoils = std::binary_search(o.spoils.begin(), o.spoils.end(), a);
      for (size_t t = first_[i]; t <= last_[i]; ++t) {
        // Runs so far of what runs but once, otherwise this run.
        std::vector<IntegerProgram::Entry> mine;
        for (size_t s = o.recomputable ? t : first_[i]; s <= t; ++s) add_entry(mine, runs(s, i), 1);
        std::vector<IntegerProgram::Entry> behind = mine;
        for (size_t s = 0; s < t; ++s) add_entry(behind, runs(s, static_cast<size_t>(a)), -1);
        add_row(-kUnlimited, 0, std::move(behind));
        if (!spoils) continue;
        add_entry(mine, runs(t, static_cast<size_t>(a)), 1);
        add_row(-kUnlimited, 1, std::move(mine));
      }
      // It has run by then.
      for (size_t t = last_[i] + 1; spoils && t < slots_; ++t)
        if (const int32_t late = runs(t, static_cast<size_t>(a)); late != kNone)
          program_.columns[static_cast<size_t>(late)].upper = 0;
    }
  }
}

void SlotProgram::add_memory(int64_t room) {
  const int64_t unit = std::max<int64_t>(kArenaAlignment, room / kMostUnits);
  const auto units = [&](int64_t bytes) { return static_cast<double>(bytes / unit); };
  // What is taken off rounds the other way.
  const auto units_up = [&](int64_t bytes) { return static_cast<double>(divided(bytes, unit)); };
  for (size_t t = 0; t < slots_; ++t) {
    std::vector<IntegerProgram::Entry> used;
    for (size_t v = 0; v < graph_.values.size(); ++v)
      if (graph_.values[v].bytes > 0) add_entry(used, there(t, v), units(graph_.values[v].bytes));
    for (size_t i = 0; i < graph_.ops.size(); ++i) {
      const int32_t run = runs(t, i);
      if (run == kNone) continue;
      if (op(i).workspace > 0) add_entry(used, run, units(op(i).workspace));
      for (const SearchGraph::Share& s : op(i).shares) {
        // The output lies where the input was, which is not there any more in the next slot unless remade.
        const auto in = static_cast<size_t>(s.in);
        const int32_t column = add_column(0);
        add_entry(used, column, -units_up(graph_.values[in].bytes));
        add_row(-kUnlimited, 0, {{column, 1}, {run, -1}});
        if (t + 1 == slots_) {
          if (graph_.values[in].to_the_end) program_.columns[static_cast<size_t>(column)].upper = 0;
          continue;
        }
        std::vector<IntegerProgram::Entry> gone = {{column, 1}};
        add_entry(gone, there(t + 1, in), 1);
        add_entry(gone, runs(t + 1, static_cast<size_t>(graph_.values[in].producer)), -1);
        add_row(-kUnlimited, 1, std::move(gone));
      }
    }
    add_row(-kUnlimited, units(room), std::move(used));
  }
}

}  // namespace tidemark
