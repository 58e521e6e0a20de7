#include "graph/ops/all.h"
#include "graph/ops/check.h"

namespace tidemark::ops {
namespace {

void check_mode(const OpView& op) {
  const std::string& mode = op.attributes().text("mode");
  if (mode != "mean" && mode != "last") throw Error("bad op", "mode", "'" + mode + "' is not mean or last");
}

/// Operand i is cu_seqlens; the number of sequences.
int64_t sequences_of(const OpView& op, int i) {
  expect_ints(op, i);
  expect(op.in(i).shape[0] > 1, op, i, "at least two rows' numbers");
  return op.in(i).shape[0] - 1;
}

}  // namespace

// One row for each sequence: the mean of its rows, or the last. Zeros where a sequence has none.
OpDef pool() {
  OpDef d;
  d.name = "pool";
  d.input_names = {"x", "cu_seqlens"};
  d.output_names = {"y"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    check_mode(op);
    const TensorType& x = expect_matrix(op, 0);
    return {matrix(x.dtype, sequences_of(op, 1), x.shape[1])};
  };
  d.gradient = [](GradientContext& g) {
    if (!g.wants(0)) return;
    Attributes attributes = g.op().attributes;
    attributes.set("rows", g.graph().value(g.in(0)).type.shape[0]);
    g.add_grad(0, g.output_of(g.emit("pool_grad", "grad", {g.grad_out(0), g.in(1)}, attributes)));
  };
  d.work = [](const OpView& op) {
    return Work{static_cast<double>(op.in(0).shape.elements()), operand_bytes(op)};
  };
  return d;
}

OpDef pool_grad() {
  OpDef d;
  d.name = "pool_grad";
  d.input_names = {"dy", "cu_seqlens"};
  d.output_names = {"dx"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    check_mode(op);
    const TensorType& dy = expect_matrix(op, 0);
    expect(dy.shape[0] == sequences_of(op, 1), op, 0, "a row for each sequence");
    const int64_t rows = op.attributes().integer("rows");
    if (rows < 1) throw Error("bad op", "rows", "is " + std::to_string(rows));
    return {matrix(dy.dtype, rows, dy.shape[1])};
  };
  d.work = elementwise_work(1);
  d.cheap = true;
  return d;
}

}  // namespace tidemark::ops
