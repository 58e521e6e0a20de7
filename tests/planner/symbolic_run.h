// Runs a schedule on symbols instead of numbers: a second opinion on where every value is, and when.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "planner/schedule.h"

namespace tidemark::test {

enum class Copies { early, late };  ///< when their windows open, or when they close

/// On buffers that hold garbage outside their lives; every read must find what a machine with unbounded
/// storage finds.
class SymbolicRun {
 public:
  SymbolicRun(const Graph& graph, const Schedule& schedule, Copies copies)
      : graph_(graph),
        schedule_(schedule),
        early_(copies == Copies::early),
        buffers_(schedule.buffers.size(), "garbage"),
        hosts_(schedule.host_buffers.size(), "garbage") {
    for (size_t v = 0; v < graph.values().size(); ++v)
      if (graph.values()[v].producer == kNone) unbounded_[static_cast<ValueId>(v)] = graph.values()[v].name;
    for (size_t b = 0; b < buffers_.size(); ++b)
      if (schedule.buffers[b].persistent) buffers_[b] = name(schedule.buffers[b].values.front());
    for (size_t h = 0; h < hosts_.size(); ++h)
      if (schedule.host_buffers[h].persistent) hosts_[h] = name(schedule.host_buffers[h].value);
  }

  void expect_right() {
    for (size_t s = 0; s < schedule_.steps.size(); ++s) {
      const auto step = static_cast<int32_t>(s);
      forget(buffers_, schedule_.buffers, step);
      forget(hosts_, schedule_.host_buffers, step);
      copy(false, step);
      ASSERT_NO_FATAL_FAILURE(run(schedule_.steps[s], s));
      copy(true, step + 1);
    }
    std::vector<std::string> all = buffers_;
    all.insert(all.end(), hosts_.begin(), hosts_.end());
    for (ValueId v : graph_.outputs())
      EXPECT_THAT(all, testing::Contains(unbounded_.at(v))) << graph_.value(v).name;
    for (const HostBuffer& h : schedule_.host_buffers)
      if (h.persistent) expect_home(h.value);
  }

 private:
  const std::string& name(ValueId v) const { return graph_.value(v).name; }

  /// What an op made, symbolically.
  std::string content(OpId id, size_t output, const std::vector<std::string>& inputs) const {
    std::string text = graph_.op(id).name + ":" + std::to_string(output) + "(";
    for (const std::string& in : inputs) text += std::to_string(std::hash<std::string>{}(in)) + ",";
    return text + ")";
  }

  static void forget(std::vector<std::string>& contents, const auto& lives, int32_t step) {
    for (size_t i = 0; i < contents.size(); ++i)
      if (step < lives[i].first_step || step > lives[i].last_step) contents[i] = "garbage";
  }

  void copy(bool to_host, int32_t point) {
    for (const Transfer& t : schedule_.transfers) {
      if (t.to_host != to_host || (early_ ? t.begin : t.end) != point) continue;
      std::string &there = buffers_[static_cast<size_t>(t.buffer)],
                  &away = hosts_[static_cast<size_t>(t.host)];
      (to_host ? away : there) = to_host ? there : away;
    }
  }

  void run(const Step& step, size_t s) {
    const Op& op = graph_.op(step.op);
    std::vector<std::string> inputs;
    for (size_t i = 0; i < op.inputs.size(); ++i) {
      if (op.inputs[i] == kNone) continue;
      inputs.push_back(unbounded_.at(op.inputs[i]));
      ASSERT_EQ(buffers_[static_cast<size_t>(step.inputs[i])], inputs.back())
          << "step " << s << " input " << i << " of " << op.name;
    }
    for (size_t i = 0; i < op.outputs.size(); ++i) {
      if (op.outputs[i] == kNone) continue;
      unbounded_[op.outputs[i]] = content(step.op, i, inputs);
      buffers_[static_cast<size_t>(step.outputs[i])] = unbounded_[op.outputs[i]];
    }
  }

  /// The newest version of a state that lives on the host is there after the step.
  void expect_home(ValueId value) {
    for (size_t t = 0; t < schedule_.transfers.size(); ++t) {
      const Transfer& transfer = schedule_.transfers[t];
      const HostBuffer& h = schedule_.host_buffers[static_cast<size_t>(transfer.host)];
      if (!transfer.to_host || h.value != value || !h.persistent) continue;
      const ValueId newest = schedule_.buffers[static_cast<size_t>(transfer.buffer)].values.back();
      EXPECT_EQ(hosts_[static_cast<size_t>(transfer.host)], unbounded_.at(newest)) << name(value);
    }
  }

  const Graph& graph_;
  const Schedule& schedule_;
  bool early_;
  std::map<ValueId, std::string> unbounded_;
  std::vector<std::string> buffers_, hosts_;
};

inline void expect_runs(const Graph& graph, const Schedule& schedule, Copies copies = Copies::early) {
  SymbolicRun(graph, schedule, copies).expect_right();
}

}  // namespace tidemark::test
