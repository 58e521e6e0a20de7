#include "graph/cpu_workspace.h"
#include "graph/ops/all.h"
#include "graph/ops/check.h"

namespace tidemark::ops {
namespace {

/// [N, K], or [N, K, 1] where it is published as that of a convolution of width 1.
const TensorType& expect_weight(const OpView& op, int i) {
  const TensorType& w = op.in(i);
  expect(is_float(w.dtype) && (w.shape.rank() == 2 || (w.shape.rank() == 3 && w.shape[2] == 1)), op, i,
         "a float matrix");
  return w;
}

/// The rows of a stacked weight that an op uses, as torch.nn.MultiheadAttention stacks those of q, k and v.
struct RowRange {
  int64_t first = 0, rows = 0;
};

/// Of an op that reads rows [first_row, first_row + rows) of weight or bias `i`; all of them where it does
/// not say.
RowRange weight_rows(const OpView& op, int i) {
  const int64_t all = op.in(i).shape[0];
  const Attributes& a = op.attributes();
  if (!a.has("first_row")) return {0, all};
  const RowRange range{a.integer("first_row"), a.integer("rows")};
  expect(range.first >= 0 && range.rows > 0 && range.first <= all - range.rows, op, i,
         "one with rows " + std::to_string(range.first) + " to " + std::to_string(range.first + range.rows));
  return range;
}

/// Rows of the whole whose rows [first_row, first_row + columns of dy) an op makes the gradient of.
int64_t rows_of_whole(const OpView& op) {
  const int64_t own = op.in(0).shape[1];
  const Attributes& a = op.attributes();
  if (!a.has("first_row")) return own;
  const int64_t first = a.integer("first_row"), all = a.integer("weight_rows");
  expect(first >= 0 && first <= all - own, op, 0,
         "no more columns than rows from " + std::to_string(first) + " to " + std::to_string(all));
  return all;
}

Work gemm_work(const OpView& op, double m, double n, double k) {
  return {2 * m * n * k, operand_bytes(op)};
}

}  // namespace

OpDef linear() {
  OpDef d;
  d.name = "linear";
  d.input_names = {"x", "weight", "bias?", "residual?"};
  d.output_names = {"y"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const TensorType& x = expect_matrix(op, 0);
    const TensorType& w = expect_weight(op, 1);
    expect(w.dtype == x.dtype && w.shape[1] == x.shape[1], op, 1,
           "a weight [outputs, " + std::to_string(x.shape[1]) + "] of x's dtype");
    const bool wide = op.attributes().has("f32") && op.attributes().flag("f32");
    const TensorType y = matrix(wide ? DType::f32 : x.dtype, x.shape[0], weight_rows(op, 1).rows);
    expect_type(op, 2, vector(x.dtype, w.shape[0]));
    expect_type(op, 3, y);
    return {y};
  };
  d.gradient = [](GradientContext& g) {
    ValueId dy = g.grad_out(0);
    if (g.op().inputs[3] != kNone && g.wants(3)) g.add_grad(3, dy);
    const DType dtype = g.graph().value(g.in(0)).type.dtype;
    if (g.graph().value(dy).type.dtype != dtype)
      dy = g.output_of(g.emit("convert", "grad_rounded", {dy}, {{"dtype", std::string(name_of(dtype))}}));
    Attributes slice;
    if (g.op().attributes.has("first_row")) {
      slice.set("first_row", g.op().attributes.integer("first_row"));
      slice.set("weight_rows", g.graph().value(g.in(1)).type.shape[0]);
    }
    Attributes weight = slice;
    if (g.graph().value(g.in(1)).type.shape.rank() == 3) weight.set("convolution", true);
    if (g.wants(1))
      g.add_grad(1, g.output_of(g.emit("linear_grad_weight", "grad_weight", {dy, g.in(0), g.take_grad(1)},
                                       std::move(weight))));
    if (g.op().inputs[2] != kNone && g.wants(2))
      g.add_grad(2, g.output_of(g.emit("column_sum", "grad_bias", {dy, kNone, g.take_grad(2)}, slice)));
    if (g.wants(0))
      g.add_grad(0, g.output_of(g.emit("linear_grad_input", "grad_input", {dy, g.in(1), g.take_grad(0)},
                                       g.op().attributes)));
  };
  d.work = [](const OpView& op) {
    return gemm_work(op, op.out(0).shape[0], op.out(0).shape[1], op.in(0).shape[1]);
  };
  d.workspace = [](const OpView& op, const DeviceTraits& device) {
    return cpu::gemm_workspace(
        {op.out(0).shape[0], op.out(0).shape[1], op.in(0).shape[1], op.in(0).dtype, false}, device.threads);
  };
  d.aliases = {{0, 3, false}};
  return d;
}

OpDef linear_grad_input() {
  OpDef d;
  d.name = "linear_grad_input";
  d.input_names = {"dy", "weight", "acc?"};
  d.output_names = {"dx"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const TensorType& dy = expect_matrix(op, 0);
    const TensorType& w = expect_weight(op, 1);
    expect(w.dtype == dy.dtype && weight_rows(op, 1).rows == dy.shape[1], op, 1,
           "as many rows as dy has columns");
    const TensorType dx = matrix(dy.dtype, dy.shape[0], w.shape[1]);
    expect_type(op, 2, dx);
    return {dx};
  };
  d.work = [](const OpView& op) {
    return gemm_work(op, op.out(0).shape[0], op.out(0).shape[1], op.in(0).shape[1]);
  };
  d.workspace = [](const OpView& op, const DeviceTraits& device) {
    return cpu::gemm_workspace(
        {op.out(0).shape[0], op.out(0).shape[1], op.in(0).shape[1], op.out(0).dtype, false}, device.threads);
  };
  d.aliases = {{0, 2, false}};
  return d;
}

OpDef linear_grad_weight() {
  OpDef d;
  d.name = "linear_grad_weight";
  d.input_names = {"dy", "x", "acc?"};
  d.output_names = {"dweight"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const TensorType& dy = expect_matrix(op, 0);
    const TensorType& x = expect_matrix(op, 1);
    expect(x.dtype == dy.dtype && x.shape[0] == dy.shape[0], op, 1, "as many rows as dy");
    TensorType dw = matrix(dy.dtype, rows_of_whole(op), x.shape[1]);
    if (op.attributes().has("convolution") && op.attributes().flag("convolution")) dw.shape.append(1);
    expect_type(op, 2, dw);
    return {dw};
  };
  d.work = [](const OpView& op) {
    return gemm_work(op, op.in(0).shape[1], op.out(0).shape[1], op.in(0).shape[0]);
  };
  d.workspace = [](const OpView& op, const DeviceTraits& device) {
    return cpu::gemm_workspace(
        {op.in(0).shape[1], op.out(0).shape[1], op.in(0).shape[0], op.out(0).dtype, true}, device.threads);
  };
  d.aliases = {{0, 2, true}};
  return d;
}

OpDef column_sum() {
  OpDef d;
  d.name = "column_sum";
  d.input_names = {"dy", "tail?", "acc?"};
  d.output_names = {"y"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const TensorType& dy = expect_matrix(op, 0);
    if (op.has_in(1)) {
      const TensorType& tail = expect_matrix(op, 1);
      expect(tail.dtype == dy.dtype && tail.shape[0] == dy.shape[0] && tail.shape[1] <= dy.shape[1], op, 1,
             "as many rows as dy and no more columns");
    }
    const TensorType y = vector(dy.dtype, rows_of_whole(op));
    expect_type(op, 2, y);
    return {y};
  };
  d.work = [](const OpView& op) {
    return Work{static_cast<double>(op.in(0).shape.elements()), operand_bytes(op)};
  };
  d.aliases = {{0, 2, true}};
  return d;
}

}  // namespace tidemark::ops
