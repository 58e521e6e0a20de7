#include "graph/ops/all.h"
#include "graph/ops/check.h"

// Layers with a linear recurrence whose coefficients do not depend on the input.
namespace tidemark::ops {
namespace {

/// The two parts of a complex matrix, nu_log, theta_log, cu_seqlens are operands `first`, `parameters` and
/// the following.
void check_scan(const OpView& op, int first, int parameters) {
  const TensorType& re = expect_matrix(op, first);
  expect_type(op, first + 1, re);
  for (int i = 0; i < 2; ++i) expect_type(op, parameters + i, vector(DType::f32, re.shape[1]));
  expect_ints(op, parameters + 2);
}

}  // namespace

// Orvieto et al. 2023 (LRU): h' = lambda h + x with lambda = exp(-exp(nu_log) + i exp(theta_log)), of which
// it gives the conjugate: y = Re(C h) is then re C_re^T + im C_im^T. What comes after the scan reads all
// states anyway, so its gradient needs nothing else kept, and nothing is made again.
OpDef diagonal_scan() {
  OpDef d;
  d.name = "diagonal_scan";
  d.input_names = {"x_re", "x_im", "nu_log", "theta_log", "cu_seqlens"};
  d.output_names = {"re", "im"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    check_scan(op, 0, 2);
    return {op.in(0), op.in(1)};
  };
  d.gradient = [](GradientContext& g) {
    if (g.grad_out(0) == kNone || g.grad_out(1) == kNone)
      throw Error("no gradient", g.op().name, "only one part of the state has a gradient");
    const OpId id = g.emit("diagonal_scan_grad", "grad",
                           {g.grad_out(0), g.grad_out(1), g.out(0), g.out(1), g.in(2), g.in(3), g.in(4)});
    for (int i = 0; i < 4; ++i)
      if (g.wants(i)) g.add_grad(i, g.output_of(id, i));
  };
  d.work = elementwise_work(8);
  d.aliases = {{0, 0, false}, {1, 1, false}};
  return d;
}

OpDef diagonal_scan_grad() {
  OpDef d;
  d.name = "diagonal_scan_grad";
  d.input_names = {"dre", "dim", "re", "im", "nu_log", "theta_log", "cu_seqlens"};
  d.output_names = {"dx_re", "dx_im", "dnu_log", "dtheta_log"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    check_scan(op, 2, 4);
    expect_type(op, 0, op.in(2));
    expect_type(op, 1, op.in(3));
    return {op.in(2), op.in(3), op.in(4), op.in(5)};
  };
  d.work = elementwise_work(16);
  d.aliases = {{0, 0, false}, {1, 1, false}};
  return d;
}

namespace {

/// weight and log_scale are operands `first` and the following.
void check_scaled(const OpView& op, int first) {
  expect_type(op, first + 1, vector(DType::f32, expect_matrix(op, first).shape[0]));
}

}  // namespace

// exp(log_scale) times the rows of a weight: the LRU's input matrix, normalised.
OpDef scale_rows() {
  OpDef d;
  d.name = "scale_rows";
  d.input_names = {"weight", "log_scale"};
  d.output_names = {"y"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    check_scaled(op, 0);
    return {op.in(0)};
  };
  d.gradient = [](GradientContext& g) {
    const OpId id = g.emit("scale_rows_grad", "grad", {g.grad_out(0), g.in(0), g.in(1)});
    for (int i = 0; i < 2; ++i)
      if (g.wants(i)) g.add_grad(i, g.output_of(id, i));
  };
  d.work = elementwise_work(1);
  d.cheap = true;
  return d;
}

OpDef scale_rows_grad() {
  OpDef d;
  d.name = "scale_rows_grad";
  d.input_names = {"dy", "weight", "log_scale"};
  d.output_names = {"dweight", "dlog_scale"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    check_scaled(op, 1);
    expect_type(op, 0, op.in(1));
    return {op.in(1), op.in(2)};
  };
  d.work = elementwise_work(3);
  d.aliases = {{0, 0, false}};
  return d;
}

}  // namespace tidemark::ops
