// A machine that runs an order of ops and counts its memory, apart from all that the planner knows: it
// follows docs/formats.md, "How an order is bound", one step at a time.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <vector>

#include "graph/graph.h"
#include "graph/opaque.h"

namespace tidemark::test {

struct Simulation {
  int64_t peak = 0;  ///< bytes, each piece of storage rounded up to 64
  double seconds = 0;
};

class Simulator {
 public:
  Simulator(const Graph& graph, const std::vector<OpId>& order, int threads)
      : graph_(graph), order_(order), threads_(threads) {
    for (size_t v = 0; v < graph.values().size(); ++v)
      if (graph.values()[v].producer == kNone)
        held_[static_cast<ValueId>(v)] = allocate(graph.values()[v].bytes(), true);
  }

  Simulation run(const std::vector<double>& op_seconds, int micro_batches = 1) {
    for (step_ = 0; step_ < order_.size(); ++step_) {
      const Op& op = graph_.op(order_[step_]);
      const bool body = op.phase == Phase::forward || op.phase == Phase::backward;
      result_.seconds += op_seconds[static_cast<size_t>(order_[step_])] * (body ? micro_batches : 1);
      run(op);
    }
    for (ValueId v : graph_.outputs()) EXPECT_TRUE(held_.count(v)) << graph_.value(v).name << " is lost";
    return result_;
  }

 private:
  struct Storage {
    int64_t bytes;
    bool persistent;
  };
  using Held = std::shared_ptr<Storage>;

  Held allocate(int64_t bytes, bool persistent) {
    live_ += (bytes + 63) / 64 * 64;
    result_.peak = std::max(result_.peak, live_);
    return Held(new Storage{bytes, persistent}, [this](Storage* s) {
      live_ -= (s->bytes + 63) / 64 * 64;
      delete s;
    });
  }

  /// Whether somebody behind this step still reads the value as it is now.
  bool wanted(ValueId v) const {
    const OpId producer = graph_.value(v).producer;
    bool prepared = producer != kNone && graph_.op(producer).phase == Phase::prepare;
    for (size_t s = step_ + 1; s < order_.size(); ++s) {
      const Op& op = graph_.op(order_[s]);
      if (std::count(op.inputs.begin(), op.inputs.end(), v)) return true;
      if (order_[s] == producer) return false;
      if (prepared && op.phase != Phase::optimizer && read_in_body(v)) return true;
    }
    return std::count(graph_.outputs().begin(), graph_.outputs().end(), v) > 0;
  }

  bool read_in_body(ValueId v) const {
    return std::any_of(order_.begin(), order_.end(), [&](OpId id) {
      const Op& op = graph_.op(id);
      return (op.phase == Phase::forward || op.phase == Phase::backward) &&
             std::count(op.inputs.begin(), op.inputs.end(), v) > 0;
    });
  }

  void run(const Op& op) {
    std::map<ValueId, Held> inputs;
    for (ValueId v : op.inputs) {
      if (v == kNone) continue;
      const auto found = held_.find(v);
      ASSERT_NE(found, held_.end()) << op.name << " reads " << graph_.value(v).name << ", which is gone";
      inputs[v] = found->second;
    }
    std::vector<Held> outputs(op.outputs.size());
    for (const bool required : {true, false})
      for (size_t out = 0; out < outputs.size(); ++out)
        for (const Alias& a : aliases_of(op)) {
          const auto in = static_cast<size_t>(a.in);
          if (a.required != required || static_cast<size_t>(a.out) != out || op.outputs[out] == kNone ||
              outputs[out] || in >= op.inputs.size() || op.inputs[in] == kNone)
            continue;
          const ValueId v = op.inputs[in];
          const Held& storage = inputs.at(v);
          const bool free = !storage->persistent && !wanted(v) && held_.at(v) == storage &&
                            std::count(op.inputs.begin(), op.inputs.end(), v) == 1 &&
                            storage->bytes == graph_.value(op.outputs[out]).bytes() &&
                            std::count(outputs.begin(), outputs.end(), storage) == 0;
          if (!required && !free) continue;
          outputs[out] = storage;
          lost_.push_back(v);
        }
    for (size_t out = 0; out < outputs.size(); ++out)
      if (op.outputs[out] != kNone && !outputs[out])
        outputs[out] = allocate(graph_.value(op.outputs[out]).bytes(), false);
    if (op.def->workspace) allocate(op.def->workspace(OpView(graph_, op), {.threads = threads_}), false);
    for (ValueId v : lost_) held_.erase(v);
    lost_.clear();
    for (size_t out = 0; out < outputs.size(); ++out)
      if (op.outputs[out] != kNone) held_[op.outputs[out]] = outputs[out];
    inputs.clear();
    outputs.clear();
    for (auto it = held_.begin(); it != held_.end();)
      it = !it->second->persistent && !wanted(it->first) ? held_.erase(it) : std::next(it);
  }

  const Graph& graph_;
  const std::vector<OpId>& order_;
  int threads_;
  size_t step_ = 0;
  int64_t live_ = 0;
  Simulation result_;
  std::vector<ValueId> lost_;
  std::map<ValueId, Held> held_;
};

inline Simulation simulate(const Graph& graph, const std::vector<OpId>& order, int threads,
                           const std::vector<double>& op_seconds, int micro_batches = 1) {
  return Simulator(graph, order, threads).run(op_seconds, micro_batches);
}

}  // namespace tidemark::test
