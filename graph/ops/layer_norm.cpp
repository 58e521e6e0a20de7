#include "graph/cpu_workspace.h"
#include "graph/ops/all.h"
#include "graph/ops/check.h"

namespace tidemark::ops {
namespace {

/// x, weight, bias? are operand `first` and the following; the type of a statistic.
TensorType check_norm(const OpView& op, int first) {
  const TensorType& x = expect_matrix(op, first);
  const int64_t groups = op.attributes().integer("groups");
  expect(groups > 0 && x.shape[1] % groups == 0, op, first,
         "columns that " + std::to_string(groups) + " groups divide");
  expect_type(op, first + 1, vector(x.dtype, x.shape[1]));
  expect_type(op, first + 2, vector(x.dtype, x.shape[1]));
  return matrix(DType::f32, x.shape[0], groups);
}

}  // namespace

// Ba et al. 2016; with groups of columns, each on its own, Wu & He 2018.
OpDef layer_norm() {
  OpDef d;
  d.name = "layer_norm";
  d.input_names = {"x", "weight", "bias?"};
  d.output_names = {"y", "mean", "rstd"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const TensorType statistic = check_norm(op, 0);
    op.attributes().number("epsilon");
    return {op.in(0), statistic, statistic};
  };
  d.gradient = [](GradientContext& g) {
    const OpId id = g.emit("layer_norm_grad", "grad",
                           {g.grad_out(0), g.in(0), g.in(1), g.in(2), g.out(1), g.out(2), g.take_grad(0)},
                           g.op().attributes);
    for (int i = 0; i < 3; ++i)
      if (g.in(i) != kNone && g.wants(i)) g.add_grad(i, g.output_of(id, i));
  };
  d.work = elementwise_work(6);
  d.cheap = true;
  return d;
}

OpDef layer_norm_grad() {
  OpDef d;
  d.name = "layer_norm_grad";
  d.input_names = {"dy", "x", "weight", "bias?", "mean", "rstd", "residual_grad?"};
  d.output_names = {"dx", "dweight", "dbias?"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const TensorType statistic = check_norm(op, 1);
    expect_type(op, 0, op.in(1));
    expect_type(op, 4, statistic);
    expect_type(op, 5, statistic);
    expect_type(op, 6, op.in(1));
    return {op.in(1), op.in(2), op.has_in(3) ? op.in(3) : absent()};
  };
  d.work = elementwise_work(12);
  d.workspace = [](const OpView& op, const DeviceTraits&) {
    return cpu::norm_grad_workspace(op.in(0).shape[0], 2 * op.in(0).shape[1]);
  };
  d.aliases = {{0, 6, false}, {0, 0, false}};
  return d;
}

}  // namespace tidemark::ops
