#include <vector>

#include "base/error.h"
#include "graph/op_def.h"
#include "graph/serialize.h"

namespace tidemark {

void validate(const Graph& graph) {
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
    for (const Alias& alias : op.def->aliases) {
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
