#include <cmath>

#include "graph/cpu_workspace.h"
#include "graph/ops/all.h"
#include "graph/ops/check.h"

namespace tidemark::ops {
namespace {

void check_operands(const OpView& op) {
  const TensorType& h = expect_matrix(op, 0);
  const TensorType& w = expect_matrix(op, 1);
  expect(w.dtype == h.dtype && w.shape[1] == h.shape[1], op, 1,
         "a weight [vocabulary, " + std::to_string(h.shape[1]) + "] of h's dtype");
  expect_type(op, 2, vector(DType::i32, h.shape[0]));
  expect_type(op, 3, vector(h.dtype, w.shape[0]));
  if (op.attributes().integer("chunk_rows") <= 0) throw Error("bad op", "chunk_rows", "must be positive");
  if (op.attributes().has("label_smoothing")) {
    const double share = op.attributes().number("label_smoothing");
    if (!(share >= 0 && share < 1)) throw Error("bad op", "label_smoothing", "must be in [0, 1)");
  }
}

/// Every chunk reads the weight and, with gradients, reads it again and adds to its gradient.
Work loss_work(const OpView& op, bool with_gradient) {
  const double tokens = static_cast<double>(op.in(0).shape[0]);
  const double logits = tokens * static_cast<double>(op.in(1).shape[0]);
  const double chunks = std::ceil(tokens / static_cast<double>(op.attributes().integer("chunk_rows")));
  const double weight = static_cast<double>(op.in(1).bytes());
  return {logits * ((with_gradient ? 6 : 2) * static_cast<double>(op.in(0).shape[1]) + 8),
          operand_bytes(op) + 16 * logits + (chunks - 1) * weight * (with_gradient ? 4 : 1)};
}

int64_t loss_workspace(const OpView& op, const DeviceTraits& device, bool with_gradient) {
  const int64_t tokens = op.in(0).shape[0];
  return cpu::cross_entropy_space(tokens, op.in(0).shape[1], op.in(1).shape[0],
                                  std::min(tokens, op.attributes().integer("chunk_rows")), op.in(0).dtype,
                                  with_gradient, device.threads)
      .bytes();
}

}  // namespace

// The last linear layer and the loss, a chunk of tokens at a time, so that the logits are never whole.
// Label smoothing (Szegedy et al. 2016): the target gives that share to all of the vocabulary alike.
OpDef linear_cross_entropy() {
  OpDef d;
  d.name = "linear_cross_entropy";
  d.input_names = {"h", "weight", "labels", "bias?"};
  d.output_names = {"loss"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    check_operands(op);
    return {scalar()};
  };
  d.loss_gradient = [](GradientContext& g, double scale) {
    Attributes attributes = g.op().attributes;
    attributes.set("grad_scale", scale);
    const ValueId bias = g.in(3);
    const OpId id =
        g.emit("linear_cross_entropy_grad", "",
               {g.in(0), g.in(1), g.in(2), bias, g.take_grad(1), bias == kNone ? kNone : g.take_grad(3)},
               attributes);
    g.add_grad(0, g.output_of(id, 1));
    g.add_grad(1, g.output_of(id, 2));
    if (bias != kNone) g.add_grad(3, g.output_of(id, 3));
    return g.output_of(id, 0);
  };
  d.work = [](const OpView& op) { return loss_work(op, false); };
  d.workspace = [](const OpView& op, const DeviceTraits& device) {
    return loss_workspace(op, device, false);
  };
  return d;
}

// Loss and gradients in one pass over the chunks (as Liger Kernel, Hsu et al. 2024): the logits of a
// chunk are made once, where a separate backward would make them again.
OpDef linear_cross_entropy_grad() {
  OpDef d;
  d.name = "linear_cross_entropy_grad";
  d.input_names = {"h", "weight", "labels", "bias?", "dweight_acc?", "dbias_acc?"};
  d.output_names = {"loss", "dh", "dweight", "dbias?"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    check_operands(op);
    op.attributes().number("grad_scale");
    expect_type(op, 4, op.in(1));
    if (op.has_in(5)) expect_type(op, 5, op.in(3));
    return {scalar(), op.in(0), op.in(1), op.has_in(3) ? op.in(3) : absent()};
  };
  d.work = [](const OpView& op) { return loss_work(op, true); };
  d.workspace = [](const OpView& op, const DeviceTraits& device) { return loss_workspace(op, device, true); };
  d.aliases = {{1, 0, false}, {2, 4, true}, {3, 5, true}};
  return d;
}

}  // namespace tidemark::ops
