// A mixture of experts: which experts each token goes to, and in which order their work lies. A slot is one
// of the top_k choices of a token: slot token * top_k + choice. The plan sorts the slots by expert, so that
// each expert's rows are neighbours and no row is padding.
#include "graph/cpu_workspace.h"
#include "graph/ops/all.h"
#include "graph/ops/check.h"

namespace tidemark::ops {
namespace {

void expect_attribute(bool holds, const std::string& name, int64_t value, const std::string& wanted,
                      const std::string& remedy) {
  if (!holds)
    throw Error("wrong operand", name, "is " + std::to_string(value) + ", expected " + wanted, remedy);
}

struct Routing {
  int64_t tokens, experts, top_k;
};

/// Of an op whose input `logits` is f32[tokens, experts].
Routing routing_of(const OpView& op, int logits) {
  const TensorType& x = expect_matrix(op, logits);
  expect(x.dtype == DType::f32, op, logits, "f32[tokens, experts]: convert it");
  const Attributes& a = op.attributes();
  const int64_t experts = x.shape[1], top_k = a.integer("top_k");
  const int64_t groups = a.integer("groups"), top_groups = a.integer("top_groups");
  expect_attribute(groups > 0 && groups <= 64 && experts % groups == 0, "groups", groups,
                   "a divisor of the " + std::to_string(experts) + " experts, at most 64",
                   "change n_group or n_routed_experts");
  expect_attribute(top_groups > 0 && top_groups <= groups, "top_groups", top_groups,
                   "1 to " + std::to_string(groups), "change topk_group");
  expect_attribute(top_k > 0 && top_k <= top_groups * (experts / groups), "top_k", top_k,
                   "1 to the " + std::to_string(top_groups * (experts / groups)) + " experts to choose from",
                   "change num_experts_per_tok");
  const std::string& function = a.text("function");
  if (function != "sigmoid" && function != "softmax")
    throw Error("wrong operand", "function", "is '" + function + "'", "use sigmoid or softmax");
  a.flag("normalize");
  a.number("scale");
  return {x.shape[0], experts, top_k};
}

/// Of an op whose input is the experts chosen.
int64_t experts_of(const OpView& op) {
  expect_ints(op, 0);
  const int64_t experts = op.attributes().integer("experts");
  expect_attribute(experts > 0 && experts <= 1 << 16, "experts", experts, "1 to 65536",
                   "change n_routed_experts");
  return experts;
}

}  // namespace

// Scores are a sigmoid or softmax of the logits. `bias` takes part in the choice alone (Wang et al. 2024,
// arXiv 2408.15664); of `groups` groups of experts only the top_groups with the largest sum of two scores are
// chosen from (DeepSeek-V3, arXiv 2412.19437, section 2.1.2).
OpDef moe_route() {
  OpDef d;
  d.name = "moe_route";
  d.input_names = {"logits", "bias?"};
  d.output_names = {"weights", "experts"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const Routing r = routing_of(op, 0);
    expect_type(op, 1, vector(DType::f32, r.experts));
    return {matrix(DType::f32, r.tokens, r.top_k), vector(DType::i32, r.tokens * r.top_k)};
  };
  d.gradient = [](GradientContext& g) {
    if (g.op().inputs[1] != kNone && g.wants(1))
      g.add_grad(1, g.output_of(g.emit("moe_load", "load", {g.out(1)},
                                       {{"experts", g.graph().value(g.in(0)).type.shape[1]}})));
    if (g.wants(0))
      g.add_grad(0, g.output_of(g.emit("moe_route_grad", "grad", {g.grad_out(0), g.in(0), g.out(1)},
                                       g.op().attributes)));
  };
  d.work = [](const OpView& op) {
    const double choices = static_cast<double>(op.attributes().integer("top_k") + 4);
    return Work{choices * static_cast<double>(op.in(0).shape.elements()), operand_bytes(op)};
  };
  d.workspace = [](const OpView& op, const DeviceTraits& device) {
    return cpu::moe_route_workspace(op.in(0).shape[1], device.threads);
  };
  return d;
}

OpDef moe_route_grad() {
  OpDef d;
  d.name = "moe_route_grad";
  d.input_names = {"dweights", "logits", "experts"};
  d.output_names = {"dlogits"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const Routing r = routing_of(op, 1);
    expect_type(op, 0, matrix(DType::f32, r.tokens, r.top_k));
    expect_type(op, 2, vector(DType::i32, r.tokens * r.top_k));
    return {op.in(1)};
  };
  d.work = elementwise_work(6);
  return d;
}

// Which way to move the bias so that experts are chosen equally often: up where this is below zero.
OpDef moe_load() {
  OpDef d;
  d.name = "moe_load";
  d.input_names = {"experts"};
  d.output_names = {"load"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> { return {vector(DType::f32, experts_of(op))}; };
  d.work = [](const OpView& op) {
    return Work{static_cast<double>(op.in(0).shape.elements()), operand_bytes(op)};
  };
  return d;
}

OpDef moe_plan() {
  OpDef d;
  d.name = "moe_plan";
  d.input_names = {"experts"};
  d.output_names = {"slots", "offsets"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const int64_t experts = experts_of(op);
    return {op.in(0), vector(DType::i32, experts + 1)};
  };
  d.work = [](const OpView& op) {
    return Work{4 * static_cast<double>(op.in(0).shape.elements()), operand_bytes(op)};
  };
  d.cheap = true;
  return d;
}

namespace {

/// Of weighted_swiglu and its gradient, whose inputs from `gate` on are the same.
void check_weighted_swiglu(const OpView& op, int gate) {
  const TensorType& x = expect_matrix(op, gate);
  expect_type(op, gate + 1, x);
  const TensorType& weights = op.in(gate + 2);
  expect(weights.dtype == DType::f32 && weights.shape.elements() == x.shape[0], op, gate + 2,
         "f32[tokens, top_k], a number for each of the " + std::to_string(x.shape[0]) + " rows");
  expect_type(op, gate + 3, vector(DType::i32, x.shape[0]));
}

}  // namespace

// A token's sum over its experts is weighted here, before the last product, so that neither this product's
// result nor the gradient of it is needed for the weights' gradient (SonicMoE, arXiv 2512.14080).
OpDef weighted_swiglu() {
  OpDef d;
  d.name = "weighted_swiglu";
  d.input_names = {"gate", "up", "weights", "slots"};
  d.output_names = {"y"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    check_weighted_swiglu(op, 0);
    return {op.in(0)};
  };
  d.gradient = [](GradientContext& g) {
    const OpId id =
        g.emit("weighted_swiglu_grad", "grad", {g.grad_out(0), g.in(0), g.in(1), g.in(2), g.in(3)});
    for (int i = 0; i < 3; ++i)
      if (g.wants(i)) g.add_grad(i, g.output_of(id, i));
  };
  d.work = elementwise_work(7);
  d.aliases = {{0, 0, false}, {0, 1, false}};
  d.cheap = true;
  return d;
}

OpDef weighted_swiglu_grad() {
  OpDef d;
  d.name = "weighted_swiglu_grad";
  d.input_names = {"dy", "gate", "up", "weights", "slots"};
  d.output_names = {"dgate", "dup", "dweights"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    check_weighted_swiglu(op, 1);
    expect_type(op, 0, op.in(1));
    return {op.in(1), op.in(1), op.in(3)};
  };
  d.work = elementwise_work(14);
  d.aliases = {{0, 1, false}, {0, 0, false}, {1, 2, false}};
  return d;
}

}  // namespace tidemark::ops
