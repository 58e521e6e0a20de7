#include "graph/cpu_workspace.h"
#include "graph/ops/all.h"
#include "graph/ops/check.h"

namespace tidemark::ops {
namespace {

/// Inputs `first` and the next: degrees of the weight's columns and rows.
void check_mask(const OpView& op, int first, int64_t columns, int64_t rows) {
  expect_type(op, first, vector(DType::i32, columns));
  expect_type(op, first + 1, vector(DType::i32, rows));
  op.attributes().flag("strict");
}

Work product_work(const OpView& op, int64_t k) {
  return {2 * static_cast<double>(op.out(0).shape.elements()) * static_cast<double>(k), operand_bytes(op)};
}

int64_t product_workspace(const OpView& op, int64_t k, bool weight_gradient, int threads) {
  const TensorType& c = op.out(0);
  return cpu::gemm_workspace({.m = c.shape[0],
                              .n = c.shape[1],
                              .k = k,
                              .dtype = c.dtype,
                              .a_transposed = weight_gradient,
                              .c_masked = weight_gradient},
                             threads);
}

}  // namespace

// A linear layer in which weight[n, k] counts only where in_degrees[k] <= out_degrees[n], or < if strict
// (MADE, Germain et al. 2015): the mask is these two vectors, and never a matrix.
OpDef masked_linear() {
  OpDef d;
  d.name = "masked_linear";
  d.input_names = {"x", "weight", "in_degrees", "out_degrees", "bias?", "residual?"};
  d.output_names = {"y"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const TensorType& x = expect_matrix(op, 0);
    const TensorType& w = expect_matrix(op, 1);
    expect(w.dtype == x.dtype && w.shape[1] == x.shape[1], op, 1,
           "a weight [outputs, " + std::to_string(x.shape[1]) + "] of x's dtype");
    check_mask(op, 2, w.shape[1], w.shape[0]);
    const TensorType y = matrix(x.dtype, x.shape[0], w.shape[0]);
    expect_type(op, 4, vector(x.dtype, w.shape[0]));
    expect_type(op, 5, y);
    return {y};
  };
  d.gradient = [](GradientContext& g) {
    const ValueId dy = g.grad_out(0);
    const auto emit = [&](const char* kind, const char* suffix, ValueId operand, int of) {
      const std::vector<ValueId> inputs = {dy, operand, g.in(2), g.in(3), g.take_grad(of)};
      g.add_grad(of, g.output_of(g.emit(kind, suffix, inputs, g.op().attributes)));
    };
    if (g.in(5) != kNone && g.wants(5)) g.add_grad(5, dy);
    if (g.wants(1)) emit("masked_linear_grad_weight", "grad_weight", g.in(0), 1);
    if (g.in(4) != kNone && g.wants(4))
      g.add_grad(4, g.output_of(g.emit("column_sum", "grad_bias", {dy, kNone, g.take_grad(4)})));
    if (g.wants(0)) emit("masked_linear_grad_input", "grad_input", g.in(1), 0);
  };
  d.work = [](const OpView& op) { return product_work(op, op.in(0).shape[1]); };
  d.workspace = [](const OpView& op, const DeviceTraits& device) {
    return product_workspace(op, op.in(0).shape[1], false, device.threads);
  };
  d.aliases = {{0, 5, false}};
  return d;
}

OpDef masked_linear_grad_input() {
  OpDef d;
  d.name = "masked_linear_grad_input";
  d.input_names = {"dy", "weight", "in_degrees", "out_degrees", "acc?"};
  d.output_names = {"dx"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const TensorType& dy = expect_matrix(op, 0);
    const TensorType& w = expect_matrix(op, 1);
    expect(w.dtype == dy.dtype && w.shape[0] == dy.shape[1], op, 1, "as many rows as dy has columns");
    check_mask(op, 2, w.shape[1], w.shape[0]);
    const TensorType dx = matrix(dy.dtype, dy.shape[0], w.shape[1]);
    expect_type(op, 4, dx);
    return {dx};
  };
  d.work = [](const OpView& op) { return product_work(op, op.in(0).shape[1]); };
  d.workspace = [](const OpView& op, const DeviceTraits& device) {
    return product_workspace(op, op.in(0).shape[1], false, device.threads);
  };
  d.aliases = {{0, 4, false}};
  return d;
}

OpDef masked_linear_grad_weight() {
  OpDef d;
  d.name = "masked_linear_grad_weight";
  d.input_names = {"dy", "x", "in_degrees", "out_degrees", "acc?"};
  d.output_names = {"dweight"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const TensorType& dy = expect_matrix(op, 0);
    const TensorType& x = expect_matrix(op, 1);
    expect(x.dtype == dy.dtype && x.shape[0] == dy.shape[0], op, 1, "as many rows as dy");
    check_mask(op, 2, x.shape[1], dy.shape[1]);
    const TensorType dw = matrix(dy.dtype, dy.shape[1], x.shape[1]);
    expect_type(op, 4, dw);
    return {dw};
  };
  d.work = [](const OpView& op) { return product_work(op, op.in(0).shape[0]); };
  d.workspace = [](const OpView& op, const DeviceTraits& device) {
    return product_workspace(op, op.in(0).shape[0], true, device.threads);
  };
  d.aliases = {{0, 4, true}};
  return d;
}

}  // namespace tidemark::ops
