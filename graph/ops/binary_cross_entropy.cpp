#include "graph/ops/all.h"
#include "graph/ops/check.h"

namespace tidemark::ops {
namespace {

std::vector<TensorType> infer_losses(const OpView& op) {
  const TensorType& logits = expect_matrix(op, 0);
  expect_type(op, 1, logits);
  return {scalar(), vector(DType::f32, logits.shape[0])};
}

}  // namespace

// -log p of rows of independent (given their logits) Bernoulli variables, in nats: `nll` of each row is the
// sum over its columns, `loss` the mean over the rows.
OpDef binary_cross_entropy() {
  OpDef d;
  d.name = "binary_cross_entropy";
  d.input_names = {"logits", "targets"};
  d.output_names = {"loss", "nll"};
  d.infer = infer_losses;
  d.loss_gradient = [](GradientContext& g, double scale) {
    const OpId id =
        g.emit("binary_cross_entropy_grad", "", {g.in(0), g.in(1)}, Attributes{{"grad_scale", scale}});
    g.add_grad(0, g.output_of(id, 2));
    return g.output_of(id, 0);
  };
  d.work = [](const OpView& op) {
    return Work{24 * static_cast<double>(op.in(0).shape.elements()), operand_bytes(op)};
  };
  return d;
}

OpDef binary_cross_entropy_grad() {
  OpDef d;
  d.name = "binary_cross_entropy_grad";
  d.input_names = {"logits", "targets"};
  d.output_names = {"loss", "nll", "dlogits"};
  d.infer = [](const OpView& op) {
    std::vector<TensorType> types = infer_losses(op);
    op.attributes().number("grad_scale");
    types.push_back(op.in(0));
    return types;
  };
  d.work = [](const OpView& op) {
    return Work{32 * static_cast<double>(op.in(0).shape.elements()), operand_bytes(op)};
  };
  d.aliases = {{2, 0, false}};
  return d;
}

}  // namespace tidemark::ops
