#include "graph/cpu_workspace.h"
#include "graph/ops/all.h"
#include "graph/ops/check.h"

namespace tidemark::ops {
namespace {

/// How the columns of x, operand i, are grouped; the type of a number per row and group.
TensorType per_group(const OpView& op, int i) {
  const int64_t groups = op.attributes().integer("groups");
  expect(groups > 0 && op.in(i).shape[1] % groups == 0, op, i,
         "columns that " + std::to_string(groups) + " groups divide");
  return matrix(DType::f32, op.in(i).shape[0], groups);
}

TensorType rms_statistic(const OpView& op, int i) {
  return op.attributes().has("groups") ? per_group(op, i) : vector(DType::f32, op.in(i).shape[0]);
}

}  // namespace

// Zhang & Sennrich 2019. With groups of columns, each is normed on its own; without a weight it is 1.
OpDef rms_norm() {
  OpDef d;
  d.name = "rms_norm";
  d.input_names = {"x", "weight?"};
  d.output_names = {"y", "rstd"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const TensorType& x = expect_matrix(op, 0);
    expect_type(op, 1, vector(x.dtype, x.shape[1]));
    op.attributes().number("epsilon");
    return {x, rms_statistic(op, 0)};
  };
  d.gradient = [](GradientContext& g) {
    const OpId id = g.emit("rms_norm_grad", "grad",
                           {g.grad_out(0), g.in(0), g.in(1), g.out(1), g.take_grad(0)}, g.op().attributes);
    if (g.wants(0)) g.add_grad(0, g.output_of(id, 0));
    if (g.in(1) != kNone && g.wants(1)) g.add_grad(1, g.output_of(id, 1));
  };
  d.work = elementwise_work(4);
  d.cheap = true;
  return d;
}

OpDef rms_norm_grad() {
  OpDef d;
  d.name = "rms_norm_grad";
  d.input_names = {"dy", "x", "weight?", "rstd", "residual_grad?"};
  d.output_names = {"dx", "dweight?"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const TensorType& x = expect_matrix(op, 1);
    expect_type(op, 0, x);
    expect_type(op, 2, vector(x.dtype, x.shape[1]));
    expect_type(op, 3, rms_statistic(op, 1));
    expect_type(op, 4, x);
    return {x, op.has_in(2) ? op.in(2) : absent()};
  };
  d.work = elementwise_work(8);
  d.workspace = [](const OpView& op, const DeviceTraits&) {
    return cpu::norm_grad_workspace(op.in(0).shape[0], op.in(0).shape[1]);
  };
  d.aliases = {{0, 4, false}, {0, 0, false}};
  return d;
}

// Dao & Gu 2024 (Mamba-2): the norm of x * silu(gate), of every group of columns on its own; the gate is
// columns of a wider operand.
OpDef gated_rms_norm() {
  OpDef d;
  d.name = "gated_rms_norm";
  d.input_names = {"x", "gate", "weight"};
  d.output_names = {"y", "rstd"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const TensorType& x = expect_matrix(op, 0);
    expect_columns(op, 1, x.dtype, x.shape[0], x.shape[1]);
    expect_type(op, 2, vector(x.dtype, x.shape[1]));
    op.attributes().number("epsilon");
    return {x, per_group(op, 0)};
  };
  d.gradient = [](GradientContext& g) {
    const OpId id =
        g.emit("gated_rms_norm_grad", "grad",
               {g.grad_out(0), g.in(0), g.in(1), g.in(2), g.out(1), g.take_grad(1)}, g.op().attributes);
    for (int i = 0; i < 3; ++i)
      if (g.wants(i)) g.add_grad(i, g.output_of(id, i));
  };
  d.work = elementwise_work(12);
  d.cheap = true;
  d.aliases = {{0, 0, false}};
  return d;
}

OpDef gated_rms_norm_grad() {
  OpDef d;
  d.name = "gated_rms_norm_grad";
  d.input_names = {"dy", "x", "gate", "weight", "rstd", "dgate_acc?"};
  d.output_names = {"dx", "dgate", "dweight"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const TensorType& x = expect_matrix(op, 1);
    expect_type(op, 0, x);
    expect_columns(op, 2, x.dtype, x.shape[0], x.shape[1]);
    expect_type(op, 3, vector(x.dtype, x.shape[1]));
    expect_type(op, 4, per_group(op, 1));
    expect_type(op, 5, op.in(2));
    return {x, op.in(2), op.in(3)};
  };
  d.work = elementwise_work(30);
  d.workspace = [](const OpView& op, const DeviceTraits&) {
    return cpu::norm_grad_workspace(op.in(0).shape[0], op.in(0).shape[1]);
  };
  d.aliases = {{0, 0, false}, {0, 1, false}, {1, 5, true}};
  return d;
}

}  // namespace tidemark::ops
