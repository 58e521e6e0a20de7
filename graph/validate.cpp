#include <vector>

#include "base/error.h"
#include "graph/opaque.h"
#include "graph/serialize.h"

namespace tidemark {

namespace {

/// More than any machine has, and few enough that no sum or scaled capacity of a planner overflows.
constexpr double kMostBytes = 281'474'976'710'656;

void check_total(const Graph& graph) {
  double bytes = 0;
  for (const Value& v : graph.values()) bytes += static_cast<double>(v.bytes());
  for (const Op& op : graph.ops())
    if (bytes <= kMostBytes && op.def->workspace)
      bytes += static_cast<double>(op.def->workspace(OpView(graph, op), {}));
  if (bytes > kMostBytes)
    throw Error("bad graph", graph.name(), "its values and workspaces have more than 2^48 bytes together",
                "check their sizes");
}

}  // namespace

void validate(const Graph& graph) {
  check_total(graph);
  std::vector<OpId> overwritten_by(graph.values().size(), kNone);
  Phase phase = Phase::prepare;
  for (size_t i = 0; i < graph.ops().size(); ++i) {
    const Op& op = graph.ops()[i];
    if (op.phase < phase)
      throw Error("bad graph", op.name,
                  "phase " + std::string(name_of(op.phase)) + " after " + std::string(name_of(phase)));
    phase = op.phase;
    for (ValueId in : op.inputs) {
      if (in == kNone) continue;
      const Value& value = graph.value(in);
      if (value.producer >= static_cast<OpId>(i))
        throw Error("bad graph", op.name, "reads '" + value.name + "' before it is made");
      if (const OpId by = overwritten_by[static_cast<size_t>(in)]; by != kNone)
        throw Error("bad graph", op.name,
                    "reads '" + value.name + "', which '" + graph.op(by).name + "' has overwritten");
    }
    for (const Alias& alias : aliases_of(op)) {
      const ValueId in = op.inputs.at(static_cast<size_t>(alias.in));
      if (alias.required && in != kNone) overwritten_by[static_cast<size_t>(in)] = static_cast<OpId>(i);
    }
  }
  for (ValueId id : graph.outputs())
    if (const OpId by = overwritten_by[static_cast<size_t>(id)]; by != kNone)
      throw Error("bad graph", graph.value(id).name,
                  "is an output, and '" + graph.op(by).name + "' overwrites it");
}

}  // namespace tidemark
