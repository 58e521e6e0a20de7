#include "graph/ops/all.h"
#include "graph/ops/check.h"

namespace tidemark::ops {
namespace {

TensorType checked(const OpView& op) {
  expect(is_float(op.in(0).dtype), op, 0, "a float tensor");
  const std::string& f = op.attributes().text("function");
  if (f != "relu" && f != "relu_squared" && f != "sigmoid" && f != "tanh")
    throw Error("bad op", "function", "'" + f + "' is not relu, relu_squared, sigmoid or tanh");
  return op.in(0);
}

}  // namespace

// The activations whose derivative follows from their value, so that they may work in place.
OpDef activation() {
  OpDef d;
  d.name = "activation";
  d.input_names = {"x"};
  d.output_names = {"y"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> { return {checked(op)}; };
  d.gradient = [](GradientContext& g) {
    g.add_grad(0,
               g.output_of(g.emit("activation_grad", "grad", {g.grad_out(0), g.out(0)}, g.op().attributes)));
  };
  d.work = elementwise_work(6);
  d.aliases = {{0, 0, false}};
  d.cheap = true;
  return d;
}

OpDef activation_grad() {
  OpDef d;
  d.name = "activation_grad";
  d.input_names = {"dy", "y"};
  d.output_names = {"dx"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    expect_type(op, 1, checked(op));
    return {op.in(0)};
  };
  d.work = elementwise_work(3);
  d.aliases = {{0, 0, false}, {0, 1, false}};
  return d;
}

}  // namespace tidemark::ops
