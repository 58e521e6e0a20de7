#include "graph/ops/all.h"
#include "graph/ops/check.h"

namespace tidemark::ops {
namespace {

std::vector<TensorType> same_as_first(const OpView& op, int operands) {
  expect(is_float(op.in(0).dtype), op, 0, "a float tensor");
  for (int i = 1; i < operands; ++i) expect_type(op, i, op.in(0));
  return {op.in(0)};
}

/// The gradient of output 0 as another type.
ValueId converted(GradientContext& g, DType dtype) {
  return g.output_of(
      g.emit("convert", "grad_convert", {g.grad_out(0)}, {{"dtype", std::string(name_of(dtype))}}));
}

}  // namespace

// Shazeer 2020: silu(gate) * up.
OpDef swiglu() {
  OpDef d;
  d.name = "swiglu";
  d.input_names = {"gate", "up"};
  d.output_names = {"y"};
  d.infer = [](const OpView& op) { return same_as_first(op, 2); };
  d.gradient = [](GradientContext& g) {
    const OpId id = g.emit("swiglu_grad", "grad", {g.grad_out(0), g.in(0), g.in(1)});
    if (g.wants(0)) g.add_grad(0, g.output_of(id, 0));
    if (g.wants(1)) g.add_grad(1, g.output_of(id, 1));
  };
  d.work = elementwise_work(6);
  d.aliases = {{0, 0, false}, {0, 1, false}};
  d.cheap = true;
  return d;
}

OpDef swiglu_grad() {
  OpDef d;
  d.name = "swiglu_grad";
  d.input_names = {"dy", "gate", "up"};
  d.output_names = {"dgate", "dup"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const TensorType type = same_as_first(op, 3).front();
    return {type, type};
  };
  d.work = elementwise_work(12);
  d.aliases = {{0, 1, false}, {1, 2, false}, {0, 0, false}};
  return d;
}

// Dauphin et al. 2016: x * sigmoid(gate).
OpDef glu() {
  OpDef d;
  d.name = "glu";
  d.input_names = {"x", "gate"};
  d.output_names = {"y"};
  d.infer = [](const OpView& op) { return same_as_first(op, 2); };
  d.gradient = [](GradientContext& g) {
    const OpId id = g.emit("glu_grad", "grad", {g.grad_out(0), g.in(0), g.in(1)});
    if (g.wants(0)) g.add_grad(0, g.output_of(id, 0));
    if (g.wants(1)) g.add_grad(1, g.output_of(id, 1));
  };
  d.work = elementwise_work(5);
  d.aliases = {{0, 0, false}, {0, 1, false}};
  d.cheap = true;
  return d;
}

OpDef glu_grad() {
  OpDef d;
  d.name = "glu_grad";
  d.input_names = {"dy", "x", "gate"};
  d.output_names = {"dx", "dgate"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const TensorType type = same_as_first(op, 3).front();
    return {type, type};
  };
  d.work = elementwise_work(9);
  d.aliases = {{0, 1, false}, {1, 2, false}, {0, 0, false}};
  return d;
}

// x + (y - x) * sigmoid(gate).
OpDef gated_lerp() {
  OpDef d;
  d.name = "gated_lerp";
  d.input_names = {"x", "y", "gate"};
  d.output_names = {"z"};
  d.infer = [](const OpView& op) { return same_as_first(op, 3); };
  d.gradient = [](GradientContext& g) {
    const OpId id = g.emit("gated_lerp_grad", "grad", {g.grad_out(0), g.in(0), g.in(1), g.in(2)});
    for (int i = 0; i < 3; ++i)
      if (g.wants(i)) g.add_grad(i, g.output_of(id, i));
  };
  d.work = elementwise_work(6);
  d.aliases = {{0, 0, false}, {0, 1, false}, {0, 2, false}};
  d.cheap = true;
  return d;
}

OpDef gated_lerp_grad() {
  OpDef d;
  d.name = "gated_lerp_grad";
  d.input_names = {"dz", "x", "y", "gate"};
  d.output_names = {"dx", "dy", "dgate"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const TensorType type = same_as_first(op, 4).front();
    return {type, type, type};
  };
  d.work = elementwise_work(10);
  d.aliases = {{0, 0, false}, {0, 1, false}, {1, 2, false}, {2, 3, false}};
  return d;
}

// b may be of another float type: a residual stream in f32 takes what layers in bf16 add to it.
OpDef add() {
  OpDef d;
  d.name = "add";
  d.input_names = {"a", "b"};
  d.output_names = {"y"};
  d.infer = [](const OpView& op) {
    expect(is_float(op.in(1).dtype) && op.in(1).shape == op.in(0).shape, op, 1,
           "a float tensor of a's shape");
    return same_as_first(op, 1);
  };
  d.gradient = [](GradientContext& g) {
    if (g.wants(0)) g.add_grad(0, g.grad_out(0));
    if (!g.wants(1)) return;
    const DType dtype = g.graph().value(g.in(1)).type.dtype;
    const bool same = dtype == g.graph().value(g.in(0)).type.dtype;
    g.add_grad(1, same ? g.grad_out(0) : converted(g, dtype));
  };
  d.work = elementwise_work(1);
  d.aliases = {{0, 0, false}, {0, 1, false}};
  d.cheap = true;
  return d;
}

// To nearest, ties to even.
OpDef convert() {
  OpDef d;
  d.name = "convert";
  d.input_names = {"x"};
  d.output_names = {"y"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    same_as_first(op, 1);
    const DType dtype = dtype_from(op.attributes().text("dtype"), "dtype");
    if (!is_float(dtype)) throw Error("bad op", "dtype", "is not a float type");
    return {{dtype, op.in(0).shape}};
  };
  d.gradient = [](GradientContext& g) {
    if (!g.wants(0)) return;
    const ValueId so_far = g.take_grad(0);
    g.add_grad(0, so_far == kNone ? converted(g, g.graph().value(g.in(0)).type.dtype)
                                  : g.output_of(g.emit("add", "grad", {so_far, g.grad_out(0)})));
  };
  d.work = elementwise_work(1);
  d.cheap = true;
  return d;
}

// The mask is a function of (seed, site, element), drawn by a counter (Salmon et al. 2011), so the
// gradient is the same op and nothing is saved. The third word of the seed switches it off.
OpDef dropout() {
  OpDef d;
  d.name = "dropout";
  d.input_names = {"x", "seed"};
  d.output_names = {"y"};
  d.infer = [](const OpView& op) {
    expect_type(op, 1, vector(DType::i32, 3));
    const double p = op.attributes().number("probability");
    op.attributes().integer("site");
    if (!(p >= 0 && p < 1)) throw Error("bad op", "probability", "must be in [0, 1)");
    return same_as_first(op, 1);
  };
  d.gradient = [](GradientContext& g) {
    if (g.wants(0))
      g.add_grad(0, g.output_of(g.emit("dropout", "grad", {g.grad_out(0), g.in(1)}, g.op().attributes)));
  };
  d.work = elementwise_work(12);
  d.aliases = {{0, 0, false}};
  d.cheap = true;
  d.random = true;
  return d;
}

OpDef clear() {
  OpDef d;
  d.name = "clear";
  d.input_names = {"acc"};
  d.output_names = {"acc'"};
  d.infer = [](const OpView& op) { return same_as_first(op, 1); };
  d.work = [](const OpView& op) { return Work{0, static_cast<double>(op.out(0).bytes())}; };
  d.aliases = {{0, 0, true}};
  return d;
}

OpDef accumulate() {
  OpDef d;
  d.name = "accumulate";
  d.input_names = {"acc", "g"};
  d.output_names = {"acc'"};
  d.infer = [](const OpView& op) { return same_as_first(op, 2); };
  d.work = elementwise_work(1);
  d.aliases = {{0, 0, true}};
  return d;
}

}  // namespace tidemark::ops
