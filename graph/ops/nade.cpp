#include "graph/cpu_workspace.h"
#include "graph/ops/all.h"
#include "graph/ops/check.h"

namespace tidemark::ops {
namespace {

struct Operands {
  int64_t rows, pixels, hidden;
};

/// x, order, weight, hidden_bias at inputs `first`… ; the output weight at `output_weight`.
Operands check_operands(const OpView& op, int first, int output_weight) {
  const TensorType& x = expect_matrix(op, first);
  const TensorType& w = expect_matrix(op, first + 2);
  const Operands sizes{x.shape[0], x.shape[1], w.shape[0]};
  expect_type(op, first + 1, vector(DType::i32, sizes.pixels));
  expect(w.dtype == x.dtype && w.shape[1] == sizes.pixels, op, first + 2,
         "a weight [hidden, " + std::to_string(sizes.pixels) + "] of x's dtype");
  expect_type(op, first + 3, vector(x.dtype, sizes.hidden));
  expect_type(op, output_weight, matrix(x.dtype, sizes.pixels, sizes.hidden));
  const std::string& f = op.attributes().text("function");
  if (f != "sigmoid" && f != "relu" && f != "tanh")
    throw Error("bad op", "function", "'" + f + "' is not sigmoid, relu or tanh");
  return sizes;
}

Work scan_work(const Operands& n, double flops, const OpView& op) {
  return {flops * static_cast<double>(n.rows) * static_cast<double>(n.pixels) * static_cast<double>(n.hidden),
          operand_bytes(op)};
}

}  // namespace

// NADE (Larochelle & Murray 2011): over the pixels o in order, logits[o] = output_weight[o] . f(a) +
// output_bias[o], then a += weight[:, o] * x[o], from a = hidden_bias. Without an output weight it is the
// transpose of weight. Only the running a is held, not one for each pixel.
OpDef nade() {
  OpDef d;
  d.name = "nade";
  d.input_names = {"x", "order", "weight", "hidden_bias", "output_bias", "output_weight?"};
  d.output_names = {"logits"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    check_operands(op, 0, 5);
    expect_type(op, 4, vector(op.in(0).dtype, op.in(0).shape[1]));
    return {op.in(0)};
  };
  d.gradient = [](GradientContext& g) {
    if (g.wants(0)) throw Error("no gradient", g.op().name, "x is data: nade has no gradient for it");
    const bool tied = g.in(5) == kNone;
    const ValueId dy = g.grad_out(0);
    if (g.wants(4))
      g.add_grad(4, g.output_of(g.emit("column_sum", "grad_bias", {dy, kNone, g.take_grad(4)})));
    const OpId id = g.emit("nade_grad", "grad",
                           {dy, g.in(0), g.in(1), g.in(2), g.in(3), g.in(5), g.take_grad(2), g.take_grad(3),
                            tied ? kNone : g.take_grad(5)},
                           g.op().attributes);
    g.add_grad(2, g.output_of(id, 0));
    g.add_grad(3, g.output_of(id, 1));
    if (!tied) g.add_grad(5, g.output_of(id, 2));
  };
  d.work = [](const OpView& op) { return scan_work(check_operands(op, 0, 5), 6, op); };
  d.workspace = [](const OpView& op, const DeviceTraits& device) {
    const Operands n = check_operands(op, 0, 5);
    return cpu::nade_space(n.rows, n.pixels, n.hidden).bytes(device.threads);
  };
  return d;
}

// The pixels in reverse: a is taken back by subtraction, so here, too, one a is held for a row.
OpDef nade_grad() {
  OpDef d;
  d.name = "nade_grad";
  d.input_names = {"dlogits",
                   "x",
                   "order",
                   "weight",
                   "hidden_bias",
                   "output_weight?",
                   "dweight_acc?",
                   "dhidden_bias_acc?",
                   "doutput_weight_acc?"};
  d.output_names = {"dweight", "dhidden_bias", "doutput_weight?"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    check_operands(op, 1, 5);
    expect_type(op, 0, op.in(1));
    expect_type(op, 6, op.in(3));
    expect_type(op, 7, op.in(4));
    if (op.has_in(8)) expect_type(op, 8, op.in(5));
    return {op.in(3), op.in(4), op.has_in(5) ? op.in(5) : absent()};
  };
  d.work = [](const OpView& op) { return scan_work(check_operands(op, 1, 5), 12, op); };
  d.workspace = [](const OpView& op, const DeviceTraits& device) {
    const Operands n = check_operands(op, 1, 5);
    return cpu::nade_grad_space(n.rows, n.pixels, n.hidden).bytes(device.threads);
  };
  d.aliases = {{0, 6, true}, {1, 7, true}, {2, 8, true}};
  return d;
}

}  // namespace tidemark::ops
