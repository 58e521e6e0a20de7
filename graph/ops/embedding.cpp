#include "graph/cpu_workspace.h"
#include "graph/ops/all.h"
#include "graph/ops/check.h"

namespace tidemark::ops {

namespace {

/// Vaswani et al. 2017 multiply embeddings, which are also the last layer's weight, by the root of D.
void check_scale(const OpView& op) {
  if (op.attributes().has("scale")) op.attributes().number("scale");
}

}  // namespace

OpDef embedding() {
  OpDef d;
  d.name = "embedding";
  d.input_names = {"ids", "weight"};
  d.output_names = {"y"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    expect_ints(op, 0);
    const TensorType& w = expect_matrix(op, 1);
    check_scale(op);
    return {matrix(w.dtype, op.in(0).shape[0], w.shape[1])};
  };
  d.gradient = [](GradientContext& g) {
    if (!g.wants(1)) return;
    const int64_t vocabulary = g.graph().value(g.in(1)).type.shape[0];
    Attributes attributes = g.op().attributes;
    attributes.set("vocabulary", vocabulary);
    const OpId id =
        g.emit("embedding_grad", "grad_weight", {g.in(0), g.grad_out(0), g.take_grad(1)}, attributes);
    g.add_grad(1, g.output_of(id));
  };
  d.work = [](const OpView& op) { return Work{0, 2.0 * static_cast<double>(op.out(0).bytes())}; };
  d.cheap = true;
  return d;
}

OpDef embedding_grad() {
  OpDef d;
  d.name = "embedding_grad";
  d.input_names = {"ids", "dy", "acc?"};
  d.output_names = {"dweight"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    expect_ints(op, 0);
    const TensorType& dy = expect_matrix(op, 1);
    expect(dy.shape[0] == op.in(0).shape[0], op, 1, "as many rows as ids");
    const TensorType out = matrix(dy.dtype, op.attributes().integer("vocabulary"), dy.shape[1]);
    expect_type(op, 2, out);
    check_scale(op);
    return {out};
  };
  d.work = [](const OpView& op) {
    return Work{static_cast<double>(op.in(1).shape.elements()), operand_bytes(op)};
  };
  d.workspace = [](const OpView& op, const DeviceTraits&) {
    return cpu::embedding_grad_workspace(op.in(0).shape[0]);
  };
  d.aliases = {{0, 2, true}};
  return d;
}

// Vaswani et al. 2017, section 3.5: neighbouring columns are the sine and the cosine of one angle. Adds no
// parameter, so positions of any size have one.
OpDef sinusoidal_positions() {
  OpDef d;
  d.name = "sinusoidal_positions";
  d.input_names = {"x", "positions"};
  d.output_names = {"y"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const TensorType& x = expect_matrix(op, 0);
    expect_type(op, 1, vector(DType::i32, x.shape[0]));
    if (!(op.attributes().number("base") > 0)) throw Error("bad op", "base", "must be positive");
    return {x};
  };
  d.gradient = [](GradientContext& g) {
    if (g.wants(0)) g.add_grad(0, g.grad_out(0));
  };
  d.work = elementwise_work(20);
  d.aliases = {{0, 0, false}};
  d.cheap = true;
  return d;
}

}  // namespace tidemark::ops
