// The whole problem as an integer program: which op runs in which slot of the step, and what is there then.
//
// Slots follow one another, each with one run of an op, or, at the end, none. Whether op o runs in slot t,
// and whether value v is there in it, are variables between 0 and 1. A value that is there was there before
// or is made now; an op runs where what it reads is there; what is there fits. Nothing is said about the
// order of first runs but what the graph says, so no order with as many runs is left out, in contrast to
// stages in a given order (Jain et al. 2020, "Checkmate: breaking the memory wall with optimal tensor
// rematerialization").
#pragma once

#include <cstdint>
#include <vector>

#include "planner/remat/search_graph.h"

namespace tidemark {

/// Least sum of cost times column; every column is a whole number.
struct IntegerProgram {
  struct Column {
    double lower = 0, upper = 1;
    double cost = 0;
  };
  struct Entry {
    int32_t column = 0;
    double factor = 0;
  };
  struct Row {
    double lower = 0, upper = 0;
    std::vector<Entry> entries;
  };
  std::vector<Column> columns;
  std::vector<Row> rows;
};

class SlotProgram {
 public:
  /// `again`: runs besides each op's first, at most.
  /// Bytes are rounded so that nothing that fits is left out.
  SlotProgram(const SearchGraph& graph, int64_t room, int again);

  const IntegerProgram& program() const { return program_; }
  std::vector<OpId> order(const std::vector<double>& columns) const;
  /// About as many columns as a program would have.
  static int64_t columns(const SearchGraph& graph, int again);

 private:
  const SearchGraph::Op& op(size_t id) const { return graph_.ops[id]; }
  int32_t& runs(size_t slot, size_t id) { return runs_[slot * graph_.ops.size() + id]; }
  int32_t& there(size_t slot, size_t id) { return there_[slot * graph_.values.size() + id]; }
  int32_t add_column(double cost, double lower = 0);
  void add_row(double lower, double upper, std::vector<IntegerProgram::Entry> entries);
  static void add_entry(std::vector<IntegerProgram::Entry>& entries, int32_t column, double factor);
  void find_windows();
  void add_runs();
  void add_values();
  void add_dependencies();
  void add_memory(int64_t room);

  const SearchGraph& graph_;
  size_t slots_;
  std::vector<size_t> first_, last_;  // by op: the slots in which it can run
  std::vector<int32_t> runs_;         // by slot and op: column, kNone: it cannot run there
  std::vector<int32_t> there_;        // by slot and value: column, kNone: it cannot be there
  IntegerProgram program_;
};

}  // namespace tidemark
