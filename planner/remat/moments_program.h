// What several moments of a step prove together about every order: a linear program.
//
// The moments are first runs of ops each of which depends on the one before, so every order has them in the
// same order, and intervals between them. Whether an op runs in an interval, and whether a value is live at a
// moment, are variables between 0 and 1: what an op reads in an interval was live when it began or is made in
// it; what is live at a moment fits. These are the stages of Jain et al. 2020 ("Checkmate: breaking the
// memory wall with optimal tensor rematerialization"), but few, and with nothing said about the order within
// them.
//
// Fractions of a run in many intervals would add up to a value that was never made whole. So the same is
// asked of the time between any two moments, in which an op runs or does not (rather than how often).
#pragma once

#include <cstdint>
#include <vector>

#include "planner/remat/integer_program.h"
#include "planner/remat/search_graph.h"

namespace tidemark {

class MomentsProgram {
 public:
  /// `moments`: each depends on the one before. `room`: bytes for all that is live and not persistent.
  MomentsProgram(const SearchGraph& graph, const std::vector<OpId>& moments, int64_t room);

  /// No order within the room takes less than `seconds_once()` and what the program costs. Whole numbers
  /// for its columns give a better bound than fractions.
  const IntegerProgram& program() const { return program_; }
  double seconds_once() const { return once_; }  ///< of what surely runs, which the program leaves out

 private:
  enum class Runs : uint8_t { never, maybe, surely };
  struct Run {
    Runs runs = Runs::never;
    int32_t column = kNone;  // where it may
  };

  /// The intervals in which an op can run, and by the end of which it has; interval j begins with moment
  /// j - 1, the first with the step.
  struct Window {
    int first = 0, must = 0, last = 0;
  };

  const SearchGraph::Op& op(size_t id) const { return graph_.ops[id]; }
  const SearchGraph::Value& value(ValueId id) const { return graph_.values[static_cast<size_t>(id)]; }
  int intervals() const { return static_cast<int>(moments_.size()) + 1; }
  bool is_operand(int interval, ValueId value) const;
  int32_t live(int interval, ValueId value) const;  // column, kNone: it cannot be

  void find_windows();
  void add_live();
  void add_runs();
  void add_memory(int64_t room);
  Run add_run(int from, int to, size_t id);
  void add_between(int from, int to);
  /// Row: the value is there between the two moments, if `by` is true; kNone: whatever is.
  void need(int from, ValueId value, int32_t by);
  int32_t add_column(double cost);
  void add_row(double lower, double upper, std::vector<IntegerProgram::Entry> entries);

  const SearchGraph& graph_;
  std::vector<OpId> moments_;
  std::vector<std::vector<ValueId>> operands_;  // by moment, sorted
  std::vector<Window> windows_;                 // by op
  std::vector<std::vector<int32_t>> live_;      // by moment and value: column
  std::vector<std::vector<Run>> runs_;          // by interval and op
  std::vector<Run> between_;                    // by op: in the time at hand
  double once_ = 0;
  IntegerProgram program_;
};

}  // namespace tidemark
