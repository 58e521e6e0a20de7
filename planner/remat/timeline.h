// An order of ops under change: what each change does to the bytes live at every step, without going
// through the whole order again.
//
// The order is a row of slots. A slot holds at most one first run of an op and, before it, recomputing
// runs in the graph's order; empty slots are room for ops to move to. A read means the latest instance of
// a value, so a recomputing run only cuts lives: it may be added wherever may_add() says, and removed.
#pragma once

#include <boost/container/small_vector.hpp>
#include <cstdint>
#include <vector>

#include "planner/remat/levels.h"
#include "planner/remat/search_graph.h"

namespace tidemark {

class Timeline {
 public:
  /// One version of a value: made at a slot, read for the last time at another or the same; `last` is
  /// slots() where it outlives the step.
  struct Instance {
    int32_t made = 0;
    int32_t last = 0;
    bool operator==(const Instance&) const = default;
  };
  using Instances = boost::container::small_vector<Instance, 3>;

  /// `order` is valid and holds every op. Runs that follow the last first run, or stand twice between two
  /// first runs, are left out. `graph` must outlive the timeline.
  Timeline(const SearchGraph& graph, const std::vector<OpId>& order);

  const SearchGraph& graph() const { return *graph_; }
  std::vector<OpId> order() const;
  double seconds() const { return seconds_; }
  /// Most bytes live at once, without those that live at all steps.
  double peak() { return excess(0).most; }
  /// Of the most bytes live in each slot.
  Levels::Excess excess(double room);
  double level(int32_t slot);  ///< most bytes live in the slot
  /// Slots in which at least so many bytes are live at once, ascending.
  void find_crowded(double least, std::vector<int32_t>& slots);

  int32_t slots() const { return static_cast<int32_t>(first_.size()); }
  /// The op that runs first at the slot, or kNone.
  OpId first_at(int32_t slot) const { return first_[static_cast<size_t>(slot)]; }
  const std::vector<OpId>& again_at(int32_t slot) const { return again_[static_cast<size_t>(slot)]; }
  /// Slots at which the op runs, ascending: its first run, then the recomputing ones.
  const std::vector<int32_t>& runs(OpId id) const { return runs_[static_cast<size_t>(id)]; }
  const Instances& instances(ValueId value) const { return instances_[static_cast<size_t>(value)]; }
  /// The instance that a read at `slot` means; some run must have made one by then.
  const Instance& instance_at(ValueId value, int32_t slot) const;

  bool may_add(OpId id, int32_t slot) const;  ///< and no run of the op stands there
  void add(OpId id, int32_t slot);
  void remove(OpId id, int32_t slot);
  /// The slots at which the op's first run may stand while all else stays, both inclusive.
  std::pair<int32_t, int32_t> range(OpId id) const;
  void move(OpId id, int32_t slot);  ///< its first run, to an empty slot in range()

  /// Everything since the last commit() or roll_back() stays, or is taken back.
  void commit();
  void roll_back();

 private:
  struct RunChange {
    OpId op;
    int32_t from, to;  // slots, kNone: none
  };

  const SearchGraph::Op& op(OpId id) const { return graph_->ops[static_cast<size_t>(id)]; }
  const SearchGraph::Value& value(ValueId id) const { return graph_->values[static_cast<size_t>(id)]; }
  void set_run(const RunChange& change);
  void change_run(const RunChange& change);
  Instances find_instances(ValueId id) const;
  void refresh_instances(ValueId id);
  void refresh_reads(ValueId id, const RunChange& change);
  void change_instances(ValueId id, const Instances& instances);
  void set_instances(ValueId id, const Instances& instances);
  void touch(int32_t slot);
  void settle();
  double local_peak(int32_t slot);
  double run_step(OpId id, int32_t slot, int32_t step, double& live) const;
  bool dies(ValueId id, int32_t slot, int32_t step) const;

  const SearchGraph* graph_;
  std::vector<OpId> first_;               // by slot
  std::vector<std::vector<OpId>> again_;  // by slot
  std::vector<std::vector<int32_t>> runs_;
  std::vector<Instances> instances_;
  Levels level_;               // by slot: most bytes live in it
  std::vector<double> local_;  // by slot: of these, what was not yet live when it began
  std::vector<int32_t> touched_;
  std::vector<bool> is_touched_;
  std::vector<int32_t> last_step_;  // by value: the last step of the slot at hand that reads it, or kNone
  double seconds_ = 0;

  std::vector<RunChange> run_changes_;
  std::vector<std::pair<ValueId, Instances>> old_instances_;
  std::vector<std::pair<int32_t, double>> old_locals_;
};

}  // namespace tidemark
