#include "graph/ops/all.h"
#include "graph/ops/check.h"

namespace tidemark::ops {
namespace {

/// Doubles, as attributes hold them, are exact up to here.
constexpr double kMostBytes = 9'007'199'254'740'992;

int64_t whole_bytes(double bytes) {
  if (!(bytes >= 0 && bytes <= kMostBytes) || bytes != static_cast<double>(static_cast<int64_t>(bytes)))
    throw Error("wrong attribute", "bytes",
                "is " + std::to_string(bytes) + ", not a whole number up to 2^53");
  return static_cast<int64_t>(bytes);
}

}  // namespace

/// An op of somebody else's graph, of which only sizes are known: the outputs' `bytes`, the scratch space
/// `workspace_bytes`, and whether it may run again (`recompute`; false for a forward op with side effects).
OpDef opaque() {
  OpDef d;
  d.name = "opaque";
  d.input_names = {"x*"};
  d.output_names = {"y*"};
  d.infer = [](const OpView& op) {
    std::vector<TensorType> types;
    for (double bytes : op.attributes().numbers("bytes")) types.push_back({DType::u8, {whole_bytes(bytes)}});
    whole_bytes(static_cast<double>(op.attributes().integer("workspace_bytes")));
    op.attributes().flag("recompute");
    return types;
  };
  d.work = [](const OpView& op) { return Work{0, operand_bytes(op)}; };
  d.workspace = [](const OpView& op, const DeviceTraits&) {
    return op.attributes().integer("workspace_bytes");
  };
  return d;
}

}  // namespace tidemark::ops
