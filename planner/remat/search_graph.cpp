#include "planner/remat/search_graph.h"

#include <algorithm>

#include "graph/opaque.h"
#include "planner/arena/alignment.h"
#include "planner/plan.h"

namespace tidemark {
namespace {

int64_t aligned(int64_t bytes) {
  return rounded_up(bytes, kArenaAlignment);
}

class Flattener {
 public:
  Flattener(const Graph& graph, const std::vector<double>& op_seconds, const DeviceTraits& device,
            int micro_batches)
      : graph_(graph), op_seconds_(op_seconds), device_(device), micro_batches_(micro_batches) {}

  SearchGraph run() {
    flat_.ops.resize(graph_.ops().size());
    flat_.values.resize(graph_.values().size());
    for (size_t v = 0; v < flat_.values.size(); ++v) {
      const Value& value = graph_.values()[v];
      flat_.values[v].producer = value.producer;
      if (value.producer == kNone)
        flat_.persistent_bytes += aligned(value.bytes());
      else
        flat_.values[v].bytes = aligned(value.bytes());
    }
    for (size_t i = 0; i < flat_.ops.size(); ++i) find_standing(graph_.ops()[i]);
    for (ValueId v : graph_.outputs()) value(v).to_the_end = true;
    for (size_t i = 0; i < flat_.ops.size(); ++i) add(static_cast<OpId>(i));
    add_dependencies();
    return std::move(flat_);
  }

 private:
  SearchGraph::Op& op(OpId id) { return flat_.ops[static_cast<size_t>(id)]; }
  SearchGraph::Value& value(ValueId id) { return flat_.values[static_cast<size_t>(id)]; }
  bool has_room(ValueId id) { return id != kNone && value(id).bytes > 0; }
  static ValueId operand(const std::vector<ValueId>& ids, int i) {
    return i < static_cast<int>(ids.size()) ? ids[static_cast<size_t>(i)] : kNone;
  }

  /// What is updated in storage that stands at all steps stands there, too.
  void find_standing(const Op& o) {
    for (const Alias& a : aliases_of(o))
      if (const ValueId in = operand(o.inputs, a.in), out = operand(o.outputs, a.out);
          a.required && in != kNone && out != kNone && value(in).bytes == 0)
        value(out).bytes = 0;
  }

  void add(OpId id) {
    const Op& o = graph_.op(id);
    SearchGraph::Op& flat = op(id);
    const bool body = o.phase == Phase::forward || o.phase == Phase::backward;
    flat.seconds = op_seconds_[static_cast<size_t>(id)] * (body ? micro_batches_ : 1);
    flat.workspace = aligned(workspace_bytes(OpView(graph_, o), device_));
    flat.recomputable = may_run_again(o);
    flat.movable = o.phase != Phase::prepare;
    for (ValueId v : o.inputs) {
      if (!has_room(v) || std::count(flat.reads.begin(), flat.reads.end(), v)) continue;
      flat.reads.push_back(v);
      value(v).readers.push_back(id);
    }
    for (ValueId v : o.outputs)
      if (has_room(v)) flat.makes.push_back(v);
    for (const Alias& a : aliases_of(o))
      if (a.required) add_share(o, a, flat);
    for (int out = 0; out < static_cast<int>(o.outputs.size()); ++out)
      for (const Alias& a : aliases_of(o))
        if (!a.required && a.out == out) add_share(o, a, flat);
    if (o.phase == Phase::prepare)
      for (ValueId v : flat.makes) value(v).to_the_end = true;
  }

  void add_share(const Op& o, const Alias& a, SearchGraph::Op& flat) {
    const ValueId in = operand(o.inputs, a.in), out = operand(o.outputs, a.out);
    if (in == kNone || out == kNone) return;
    if (!has_room(in) || !has_room(out) || graph_.value(in).bytes() != graph_.value(out).bytes()) return;
    if (!a.required && std::count(o.inputs.begin(), o.inputs.end(), in) != 1) return;
    flat.shares.push_back({in, out, a.required});
  }

  void add_dependencies() {
    const std::vector<std::vector<OpId>> consumers = graph_.consumers();
    OpId last_prepared = kNone, first_optimizer = kNone;
    for (size_t i = 0; i < flat_.ops.size(); ++i) {
      const auto id = static_cast<OpId>(i);
      const Op& o = graph_.op(id);
      if (o.phase == Phase::prepare) last_prepared = id;
      if (o.phase == Phase::optimizer && first_optimizer == kNone) first_optimizer = id;
      for (ValueId v : o.inputs)
        if (v != kNone && graph_.value(v).producer != kNone) op(id).after.push_back(graph_.value(v).producer);
      for (const Alias& a : aliases_of(o)) {
        const ValueId in = operand(o.inputs, a.in);
        if (!a.required || in == kNone) continue;
        for (OpId reader : consumers[static_cast<size_t>(in)])
          if (reader != id) {
            op(id).after.push_back(reader);
            op(id).spoils.push_back(reader);
          }
      }
      if (o.phase != Phase::prepare && last_prepared != kNone) op(id).after.push_back(last_prepared);
      // The body is a whole where it repeats.
      if (micro_batches_ > 1 && o.phase == Phase::optimizer) {
        if (id != first_optimizer) op(id).after.push_back(first_optimizer);
        for (OpId earlier = 0; id == first_optimizer && earlier < id; ++earlier) {
          op(id).after.push_back(earlier);
          op(id).spoils.push_back(earlier);
        }
      }
    }
    for (SearchGraph::Op& o : flat_.ops)
      for (std::vector<OpId>* ids : {&o.after, &o.spoils}) {
        std::sort(ids->begin(), ids->end());
        ids->erase(std::unique(ids->begin(), ids->end()), ids->end());
      }
    for (size_t i = 0; i < flat_.ops.size(); ++i) {
      for (OpId earlier : flat_.ops[i].after) op(earlier).then.push_back(static_cast<OpId>(i));
      for (OpId reader : flat_.ops[i].spoils) op(reader).spoiled_by.push_back(static_cast<OpId>(i));
    }
  }

  const Graph& graph_;
  const std::vector<double>& op_seconds_;
  const DeviceTraits& device_;
  int micro_batches_;
  SearchGraph flat_;
};

}  // namespace

double SearchGraph::seconds_once() const {
  double seconds = 0;
  for (const Op& o : ops) seconds += o.seconds;
  return seconds;
}

std::vector<bool> reached(const SearchGraph& graph, OpId op, std::vector<OpId> SearchGraph::Op::*next) {
  std::vector<bool> reached(graph.ops.size(), false);
  std::vector<OpId> open = {op};
  while (!open.empty()) {
    const OpId id = open.back();
    open.pop_back();
    for (OpId n : graph.ops[static_cast<size_t>(id)].*next) {
      if (reached[static_cast<size_t>(n)]) continue;
      reached[static_cast<size_t>(n)] = true;
      open.push_back(n);
    }
  }
  return reached;
}

SearchGraph make_search_graph(const Graph& graph, const std::vector<double>& op_seconds,
                              const DeviceTraits& device, int micro_batches) {
  return Flattener(graph, op_seconds, device, micro_batches).run();
}

}  // namespace tidemark
