#include "graph/ops/all.h"
#include "graph/ops/check.h"

namespace tidemark::ops {

// Ioffe & Szegedy 2015: every column to mean 0 and variance 1 over the rows of the batch, as in training.
OpDef batch_norm() {
  OpDef d;
  d.name = "batch_norm";
  d.input_names = {"x", "weight", "bias"};
  d.output_names = {"y", "mean", "rstd"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const TensorType& x = expect_matrix(op, 0);
    const int64_t columns = x.shape[1];
    for (int i = 1; i < 3; ++i) expect_type(op, i, vector(x.dtype, columns));
    op.attributes().number("epsilon");
    return {x, vector(DType::f32, columns), vector(DType::f32, columns)};
  };
  d.gradient = [](GradientContext& g) {
    const OpId id = g.emit("batch_norm_grad", "grad", {g.grad_out(0), g.in(0), g.in(1), g.out(1), g.out(2)});
    for (int i = 0; i < 3; ++i)
      if (g.wants(i)) g.add_grad(i, g.output_of(id, i));
  };
  d.work = elementwise_work(6);
  d.cheap = true;
  return d;
}

OpDef batch_norm_grad() {
  OpDef d;
  d.name = "batch_norm_grad";
  d.input_names = {"dy", "x", "weight", "mean", "rstd"};
  d.output_names = {"dx", "dweight", "dbias"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const TensorType& x = expect_matrix(op, 1);
    const int64_t columns = x.shape[1];
    expect_type(op, 0, x);
    expect_type(op, 2, vector(x.dtype, columns));
    for (int i = 3; i < 5; ++i) expect_type(op, i, vector(DType::f32, columns));
    return {x, op.in(2), op.in(2)};
  };
  d.work = elementwise_work(12);
  d.aliases = {{0, 0, false}};
  return d;
}

}  // namespace tidemark::ops
