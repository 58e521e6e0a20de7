#include "graph/cpu_workspace.h"
#include "graph/ops/all.h"
#include "graph/ops/check.h"

// Layers over packed variable-length sequences; docs/ops.md describes the layout.
namespace tidemark::ops {
namespace {

struct Layer {
  DType dtype;
  int64_t tokens, hidden;
};

/// weight is operand `w`, [gates * H, H]; batch_sizes operand `sizes`.
Layer check_layer(const OpView& op, int w, int sizes, int64_t gates, int64_t tokens) {
  const TensorType& weight = expect_matrix(op, w);
  expect(weight.shape[0] == gates * weight.shape[1], op, w,
         "[" + std::to_string(gates) + " * hidden, hidden]");
  expect_ints(op, sizes);
  op.attributes().flag("reverse");
  if (op.attributes().integer("max_batch") <= 0) throw Error("bad op", "max_batch", "must be positive");
  return {weight.dtype, tokens, weight.shape[1]};
}

Layer check_forward(const OpView& op, int64_t gates) {
  const TensorType& xg = expect_matrix(op, 0);
  const Layer layer = check_layer(op, 1, 3, gates, xg.shape[0]);
  expect_type(op, 0, matrix(layer.dtype, layer.tokens, gates * layer.hidden));
  expect_type(op, 2, vector(layer.dtype, gates * layer.hidden));
  return layer;
}

Work step_products(const OpView& op, int weight, int64_t tokens) {
  return {2 * static_cast<double>(tokens) * static_cast<double>(op.in(weight).shape.elements()),
          operand_bytes(op)};
}

/// `weight` is the index of that operand.
auto layer_workspace(int gates, int weight, bool backward) {
  return [=](const OpView& op, const DeviceTraits&) {
    return cpu::recurrent_space(op.in(weight).shape[1], gates, op.attributes().integer("max_batch"), backward)
        .bytes();
  };
}

Work forward_work(const OpView& op) {
  return step_products(op, 1, op.in(0).shape[0]);
}

/// What every layer's gradient rule shares once the gate gradients are known. `tail` is kNone or what
/// replaces the last columns of `dxg` on the recurrent side.
void add_shared_gradients(GradientContext& g, ValueId dxg, ValueId h, ValueId tail) {
  if (g.wants(1)) {
    const OpId id = g.emit("recurrent_weight_grad", "grad_weight", {dxg, h, g.in(3), tail, g.take_grad(1)},
                           {{"reverse", g.op().attributes.flag("reverse")}});
    g.add_grad(1, g.output_of(id));
  }
  if (g.in(2) != kNone && g.wants(2))
    g.add_grad(2, g.output_of(g.emit("column_sum", "grad_bias", {dxg, tail, g.take_grad(2)})));
  if (g.wants(0)) g.add_grad(0, dxg);
}

}  // namespace

// Elman 1990.
OpDef rnn_layer() {
  OpDef d;
  d.name = "rnn_layer";
  d.input_names = {"xg", "weight", "bias?", "batch_sizes"};
  d.output_names = {"h"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const std::string& f = op.attributes().text("nonlinearity");
    if (f != "tanh" && f != "relu")
      throw Error("bad op", "nonlinearity", "is '" + f + "'", "use tanh or relu");
    const Layer layer = check_forward(op, 1);
    return {matrix(layer.dtype, layer.tokens, layer.hidden)};
  };
  d.gradient = [](GradientContext& g) {
    const OpId id =
        g.emit("rnn_layer_grad", "grad", {g.grad_out(0), g.out(0), g.in(1), g.in(3)}, g.op().attributes);
    add_shared_gradients(g, g.output_of(id), g.out(0), kNone);
  };
  d.work = forward_work;
  d.workspace = layer_workspace(1, 1, false);
  d.aliases = {{0, 0, false}};
  return d;
}

OpDef rnn_layer_grad() {
  OpDef d;
  d.name = "rnn_layer_grad";
  d.input_names = {"dh", "h", "weight", "batch_sizes"};
  d.output_names = {"dxg"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const Layer layer = check_layer(op, 2, 3, 1, expect_matrix(op, 0).shape[0]);
    const TensorType h = matrix(layer.dtype, layer.tokens, layer.hidden);
    expect_type(op, 0, h);
    expect_type(op, 1, h);
    op.attributes().text("nonlinearity");
    return {h};
  };
  d.work = [](const OpView& op) { return step_products(op, 2, op.in(0).shape[0]); };
  d.workspace = layer_workspace(1, 2, true);
  d.aliases = {{0, 0, false}};
  return d;
}

// Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000.
OpDef lstm_layer() {
  OpDef d;
  d.name = "lstm_layer";
  d.input_names = {"xg", "weight", "bias?", "batch_sizes"};
  d.output_names = {"h", "c", "gates"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const Layer layer = check_forward(op, 4);
    return {matrix(layer.dtype, layer.tokens, layer.hidden), matrix(DType::f32, layer.tokens, layer.hidden),
            op.in(0)};
  };
  d.gradient = [](GradientContext& g) {
    const OpId id = g.emit("lstm_layer_grad", "grad", {g.grad_out(0), g.out(2), g.out(1), g.in(1), g.in(3)},
                           g.op().attributes);
    add_shared_gradients(g, g.output_of(id), g.out(0), kNone);
  };
  d.work = forward_work;
  d.workspace = layer_workspace(4, 1, false);
  d.aliases = {{2, 0, false}};
  return d;
}

OpDef lstm_layer_grad() {
  OpDef d;
  d.name = "lstm_layer_grad";
  d.input_names = {"dh", "gates", "c", "weight", "batch_sizes"};
  d.output_names = {"dxg"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const Layer layer = check_layer(op, 3, 4, 4, expect_matrix(op, 0).shape[0]);
    expect_type(op, 0, matrix(layer.dtype, layer.tokens, layer.hidden));
    expect_type(op, 1, matrix(layer.dtype, layer.tokens, 4 * layer.hidden));
    expect_type(op, 2, matrix(DType::f32, layer.tokens, layer.hidden));
    return {op.in(1)};
  };
  d.work = [](const OpView& op) { return step_products(op, 3, op.in(0).shape[0]); };
  d.workspace = layer_workspace(4, 3, true);
  d.aliases = {{0, 1, false}};
  return d;
}

// Cho et al. 2014, in the form that applies the reset gate after the recurrent product.
OpDef gru_layer() {
  OpDef d;
  d.name = "gru_layer";
  d.input_names = {"xg", "weight", "bias?", "batch_sizes"};
  d.output_names = {"h", "gates", "hn"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const Layer layer = check_forward(op, 3);
    const TensorType h = matrix(layer.dtype, layer.tokens, layer.hidden);
    return {h, op.in(0), h};
  };
  d.gradient = [](GradientContext& g) {
    const OpId id =
        g.emit("gru_layer_grad", "grad", {g.grad_out(0), g.out(1), g.out(2), g.out(0), g.in(1), g.in(3)},
               g.op().attributes);
    add_shared_gradients(g, g.output_of(id, 0), g.out(0), g.output_of(id, 1));
  };
  d.work = forward_work;
  d.workspace = layer_workspace(3, 1, false);
  d.aliases = {{1, 0, false}};
  return d;
}

OpDef gru_layer_grad() {
  OpDef d;
  d.name = "gru_layer_grad";
  d.input_names = {"dh", "gates", "hn", "h", "weight", "batch_sizes"};
  d.output_names = {"dxg", "dhn"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const Layer layer = check_layer(op, 4, 5, 3, expect_matrix(op, 0).shape[0]);
    const TensorType h = matrix(layer.dtype, layer.tokens, layer.hidden);
    for (int i : {0, 2, 3}) expect_type(op, i, h);
    expect_type(op, 1, matrix(layer.dtype, layer.tokens, 3 * layer.hidden));
    return {op.in(1), h};
  };
  d.work = [](const OpView& op) { return step_products(op, 4, op.in(0).shape[0]); };
  d.workspace = layer_workspace(3, 4, true);
  d.aliases = {{0, 1, false}, {1, 2, false}};
  return d;
}

OpDef recurrent_weight_grad() {
  OpDef d;
  d.name = "recurrent_weight_grad";
  d.input_names = {"dg", "h", "batch_sizes", "tail?", "acc?"};
  d.output_names = {"dweight"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const TensorType& dg = expect_matrix(op, 0);
    const TensorType& h = expect_matrix(op, 1);
    expect(h.dtype == dg.dtype && h.shape[0] == dg.shape[0], op, 1, "as many rows as dg");
    expect_ints(op, 2);
    if (op.has_in(3)) {
      const TensorType& tail = expect_matrix(op, 3);
      expect(tail.shape[0] == dg.shape[0] && tail.shape[1] <= dg.shape[1], op, 3,
             "as many rows as dg and no more columns");
    }
    const TensorType dw = matrix(dg.dtype, dg.shape[1], h.shape[1]);
    expect_type(op, 4, dw);
    op.attributes().flag("reverse");
    return {dw};
  };
  d.work = [](const OpView& op) {
    return Work{2 * static_cast<double>(op.in(0).shape[0]) * static_cast<double>(op.out(0).shape.elements()),
                operand_bytes(op)};
  };
  d.workspace = [](const OpView& op, const DeviceTraits& device) {
    return cpu::recurrent_weight_grad_space(op.in(0).shape[0], op.in(0).shape[1],
                                            op.has_in(3) ? op.in(3).shape[1] : 0, op.in(1).shape[1],
                                            op.in(0).dtype, device.threads)
        .bytes();
  };
  d.aliases = {{0, 4, true}};
  return d;
}

}  // namespace tidemark::ops
