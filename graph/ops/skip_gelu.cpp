#include "graph/cpu_workspace.h"
#include "graph/ops/all.h"
#include "graph/ops/check.h"

namespace tidemark::ops {
namespace {

/// x, u, D are operands `first` and the following.
void check_skip(const OpView& op, int first) {
  const TensorType& x = expect_matrix(op, first);
  expect_type(op, first + 1, x);
  expect_type(op, first + 2, vector(DType::f32, x.shape[1]));
  op.attributes().flag("tanh");
}

}  // namespace

// What a state-space layer ends with: gelu(x + D u), D per column. GELU (Hendrycks & Gimpel 2016), or with
// `tanh` their approximation of it.
OpDef skip_gelu() {
  OpDef d;
  d.name = "skip_gelu";
  d.input_names = {"x", "u", "D"};
  d.output_names = {"y"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    check_skip(op, 0);
    return {op.in(0)};
  };
  d.gradient = [](GradientContext& g) {
    const OpId id =
        g.emit("skip_gelu_grad", "grad", {g.grad_out(0), g.in(0), g.in(1), g.in(2)}, g.op().attributes);
    for (int i = 0; i < 3; ++i)
      if (g.wants(i)) g.add_grad(i, g.output_of(id, i));
  };
  d.work = elementwise_work(20);
  d.aliases = {{0, 0, false}, {0, 1, false}};
  d.cheap = true;
  return d;
}

OpDef skip_gelu_grad() {
  OpDef d;
  d.name = "skip_gelu_grad";
  d.input_names = {"dy", "x", "u", "D"};
  d.output_names = {"dx", "du", "dD"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    check_skip(op, 1);
    expect_type(op, 0, op.in(1));
    return {op.in(1), op.in(2), op.in(3)};
  };
  d.work = elementwise_work(30);
  d.workspace = [](const OpView& op, const DeviceTraits&) {
    return cpu::norm_grad_workspace(op.in(0).shape[0], op.in(0).shape[1]);
  };
  d.aliases = {{0, 0, false}, {0, 1, false}, {1, 2, false}};
  return d;
}

}  // namespace tidemark::ops
