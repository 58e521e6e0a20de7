#include "graph/ops/all.h"
#include "graph/ops/check.h"

namespace tidemark::ops {

OpDef rope_table() {
  OpDef d;
  d.name = "rope_table";
  d.input_names = {"positions"};
  d.output_names = {"table"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    expect_ints(op, 0);
    op.attributes().number("scale");
    const auto frequencies = static_cast<int64_t>(op.attributes().numbers("frequencies").size());
    return {matrix(DType::f32, op.in(0).shape[0], 2 * frequencies)};
  };
  d.work = elementwise_work(20);
  d.cheap = true;
  return d;
}

// Su et al. 2021, in the half-split layout of LLaMA or, interleaved, of neighbouring columns. A rotation, so
// its gradient is the rotation back.
OpDef rope() {
  OpDef d;
  d.name = "rope";
  d.input_names = {"x", "table"};
  d.output_names = {"y"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const TensorType& x = expect_matrix(op, 0);
    const TensorType& table = expect_matrix(op, 1);
    const int64_t heads = op.attributes().integer("heads");
    op.attributes().flag("inverse");
    if (op.attributes().has("interleaved")) op.attributes().flag("interleaved");
    const int64_t first =
        op.attributes().has("first_column") ? op.attributes().integer("first_column") : int64_t{0};
    expect(heads > 0 && x.shape[1] % heads == 0, op, 0, "columns that the heads divide");
    expect(table.dtype == DType::f32 && table.shape[0] == x.shape[0] && first >= 0 &&
               table.shape[1] <= x.shape[1] / heads - first,
           op, 1, "one f32 row per token, no wider than a head from first_column on");
    return {x};
  };
  d.gradient = [](GradientContext& g) {
    if (!g.wants(0)) return;
    Attributes attributes = g.op().attributes;
    attributes.set("inverse", !attributes.flag("inverse"));
    g.add_grad(0, g.output_of(g.emit("rope", "grad", {g.grad_out(0), g.in(1)}, attributes)));
  };
  d.work = elementwise_work(3);
  d.aliases = {{0, 0, false}};
  d.cheap = true;
  return d;
}

}  // namespace tidemark::ops
