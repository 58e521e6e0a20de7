// Matrix products of rows that lie expert by expert, each expert's with its own weight. How many rows an
// expert has is data: offsets[e] to offsets[e + 1]. On one side of a product are the slots' rows in that
// order, on the other the tokens': these are read where they lie, or summed over a token's slots, so a
// gathered copy of the tokens is never made.
#include "graph/cpu_workspace.h"
#include "graph/ops/all.h"
#include "graph/ops/check.h"

namespace tidemark::ops {
namespace {

struct Grouping {
  int64_t slots, tokens, experts, outputs, inputs;
  bool combine;
};

/// From the attributes and the operands that all three ops have; `weight` is [experts, outputs, inputs].
Grouping grouping_of(const OpView& op, const Shape& weight, int slots) {
  const int64_t top_k = op.attributes().integer("top_k");
  expect_ints(op, slots);
  const int64_t n = op.in(slots).shape[0];
  if (top_k <= 0 || n % top_k != 0)
    throw Error("wrong operand", "top_k",
                "is " + std::to_string(top_k) + ", which does not divide the " + std::to_string(n) + " slots",
                "give the choices of each token");
  expect_type(op, slots + 1, vector(DType::i32, weight[0] + 1));
  return {n, n / top_k, weight[0], weight[1], weight[2], op.attributes().flag("combine")};
}

const Shape& expect_experts(const OpView& op, int weight, DType dtype) {
  expect(op.in(weight).shape.rank() == 3 && op.in(weight).dtype == dtype, op, weight,
         std::string(name_of(dtype)) + "[experts, outputs, inputs]");
  return op.in(weight).shape;
}

Work grouped_work(const OpView& op, const Grouping& g) {
  return {2 * static_cast<double>(g.slots) * static_cast<double>(g.outputs) * static_cast<double>(g.inputs),
          operand_bytes(op)};
}

/// The product's width, and whether it is summed over a token's slots.
int64_t product_workspace(const OpView& op, const Grouping& g, int64_t columns, int64_t k, bool sums,
                          const DeviceTraits& device) {
  return cpu::grouped_space(g.slots, g.tokens, columns, k, op.out(0).dtype, sums).bytes(device.threads);
}

}  // namespace

OpDef grouped_linear() {
  OpDef d;
  d.name = "grouped_linear";
  d.input_names = {"x", "weight", "slots", "offsets", "residual?"};
  d.output_names = {"y"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const TensorType& x = expect_matrix(op, 0);
    const Grouping g = grouping_of(op, expect_experts(op, 1, x.dtype), 2);
    expect_type(op, 0, matrix(x.dtype, g.combine ? g.slots : g.tokens, g.inputs));
    const TensorType y = matrix(x.dtype, g.combine ? g.tokens : g.slots, g.outputs);
    if (!g.combine && op.has_in(4))
      throw Error("wrong operand", "residual", "is given, but only sums of tokens start from one",
                  "set combine or add it afterwards");
    expect_type(op, 4, y);
    return {y};
  };
  d.gradient = [](GradientContext& g) {
    const ValueId dy = g.grad_out(0);
    if (g.op().inputs[4] != kNone && g.wants(4)) g.add_grad(4, dy);
    if (g.wants(1))
      g.add_grad(1, g.output_of(g.emit("grouped_linear_grad_weight", "grad_weight",
                                       {dy, g.in(0), g.in(2), g.in(3), g.take_grad(1)}, g.op().attributes)));
    if (g.wants(0))
      g.add_grad(0, g.output_of(g.emit("grouped_linear_grad_input", "grad_input",
                                       {dy, g.in(1), g.in(2), g.in(3), g.take_grad(0)}, g.op().attributes)));
  };
  d.work = [](const OpView& op) { return grouped_work(op, grouping_of(op, op.in(1).shape, 2)); };
  d.workspace = [](const OpView& op, const DeviceTraits& device) {
    const Grouping g = grouping_of(op, op.in(1).shape, 2);
    return product_workspace(op, g, g.outputs, g.inputs, g.combine, device);
  };
  d.aliases = {{0, 4, false}};
  return d;
}

OpDef grouped_linear_grad_input() {
  OpDef d;
  d.name = "grouped_linear_grad_input";
  d.input_names = {"dy", "weight", "slots", "offsets", "acc?"};
  d.output_names = {"dx"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const TensorType& dy = expect_matrix(op, 0);
    const Grouping g = grouping_of(op, expect_experts(op, 1, dy.dtype), 2);
    expect_type(op, 0, matrix(dy.dtype, g.combine ? g.tokens : g.slots, g.outputs));
    const TensorType dx = matrix(dy.dtype, g.combine ? g.slots : g.tokens, g.inputs);
    expect_type(op, 4, dx);
    return {dx};
  };
  d.work = [](const OpView& op) { return grouped_work(op, grouping_of(op, op.in(1).shape, 2)); };
  d.workspace = [](const OpView& op, const DeviceTraits& device) {
    const Grouping g = grouping_of(op, op.in(1).shape, 2);
    return product_workspace(op, g, g.inputs, g.outputs, !g.combine, device);
  };
  d.aliases = {{0, 4, false}};
  return d;
}

OpDef grouped_linear_grad_weight() {
  OpDef d;
  d.name = "grouped_linear_grad_weight";
  d.input_names = {"dy", "x", "slots", "offsets", "acc?"};
  d.output_names = {"dweight"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const TensorType& dy = expect_matrix(op, 0);
    const TensorType& x = expect_matrix(op, 1);
    expect_ints(op, 3);
    const int64_t experts = op.in(3).shape[0] - 1;
    expect(experts > 0, op, 3, "i32[experts + 1]");
    const Shape weight{experts, dy.shape[1], x.shape[1]};
    const Grouping g = grouping_of(op, weight, 2);
    expect_type(op, 0, matrix(dy.dtype, g.combine ? g.tokens : g.slots, g.outputs));
    expect_type(op, 1, matrix(dy.dtype, g.combine ? g.slots : g.tokens, g.inputs));
    const TensorType dweight{dy.dtype, weight};
    expect_type(op, 4, dweight);
    return {dweight};
  };
  d.work = [](const OpView& op) { return grouped_work(op, grouping_of(op, op.out(0).shape, 2)); };
  d.workspace = [](const OpView& op, const DeviceTraits& device) {
    const Grouping g = grouping_of(op, op.out(0).shape, 2);
    return product_workspace(op, g, g.inputs, g.slots, false, device);
  };
  d.aliases = {{0, 4, true}};
  return d;
}

}  // namespace tidemark::ops
