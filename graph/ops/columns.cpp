#include "graph/ops/all.h"
#include "graph/ops/check.h"

namespace tidemark::ops {

OpDef concat_columns() {
  OpDef d;
  d.name = "concat_columns";
  d.input_names = {"a", "b"};
  d.output_names = {"y"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const TensorType& a = expect_matrix(op, 0);
    const TensorType& b = expect_matrix(op, 1);
    expect(b.dtype == a.dtype && b.shape[0] == a.shape[0], op, 1, "as many rows as a");
    return {matrix(a.dtype, a.shape[0], a.shape[1] + b.shape[1])};
  };
  d.gradient = [](GradientContext& g) {
    const OpId id = g.emit("split_columns", "grad", {g.grad_out(0)},
                           {{"columns", g.graph().value(g.in(0)).type.shape[1]}});
    for (int i = 0; i < 2; ++i)
      if (g.wants(i)) g.add_grad(i, g.output_of(id, i));
  };
  d.work = elementwise_work(0);
  d.cheap = true;
  return d;
}

OpDef split_columns() {
  OpDef d;
  d.name = "split_columns";
  d.input_names = {"x"};
  d.output_names = {"a", "b"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const TensorType& x = expect_matrix(op, 0);
    const int64_t columns = op.attributes().integer("columns");
    expect(columns > 0 && columns < x.shape[1], op, 0, "more than " + std::to_string(columns) + " columns");
    return {matrix(x.dtype, x.shape[0], columns), matrix(x.dtype, x.shape[0], x.shape[1] - columns)};
  };
  d.gradient = [](GradientContext& g) {
    if (!g.wants(0)) return;
    if (g.grad_out(0) == kNone || g.grad_out(1) == kNone)
      throw Error("no gradient", g.op().name, "only one half of the split has a gradient");
    g.add_grad(0, g.output_of(g.emit("concat_columns", "grad", {g.grad_out(0), g.grad_out(1)})));
  };
  d.work = elementwise_work(0);
  d.cheap = true;
  return d;
}

}  // namespace tidemark::ops
