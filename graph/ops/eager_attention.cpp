#include "graph/eager_attention_workspace.h"
#include "graph/ops/all.h"
#include "graph/ops/check.h"

namespace tidemark::ops {
namespace {

struct Sizes {
  int64_t tokens, heads, dim, length;
};

/// q, k and v at inputs `first`…
Sizes sizes_of(const OpView& op, int first) {
  const TensorType& q = expect_matrix(op, first);
  const Attributes& a = op.attributes();
  const int64_t heads = a.integer("heads"), kv_heads = a.integer("kv_heads"), length = a.integer("length");
  a.flag("causal");
  a.number("scale");
  expect(heads > 0 && q.shape[1] % heads == 0, op, first, "columns that the heads divide");
  if (kv_heads <= 0 || heads % kv_heads != 0)
    throw Error("wrong operand", "kv_heads",
                std::to_string(kv_heads) + " does not divide " + std::to_string(heads) + " heads");
  expect(length > 0 && q.shape[0] % length == 0, op, first,
         "rows that sequences of " + std::to_string(length) + " tokens divide");
  const int64_t dim = q.shape[1] / heads;
  const TensorType kv = matrix(q.dtype, q.shape[0], kv_heads * dim);
  expect_type(op, first + 1, kv);
  expect_type(op, first + 2, kv);
  return {q.shape[0], heads, dim, length};
}

TensorType probabilities(const OpView& op, int first) {
  const Sizes s = sizes_of(op, first);
  return matrix(op.in(first).dtype, s.tokens * s.heads, s.length);
}

Work products(const OpView& op, int first, double count) {
  const Sizes s = sizes_of(op, first);
  return {2 * count * static_cast<double>(s.tokens) * static_cast<double>(s.length) *
              static_cast<double>(s.heads * s.dim),
          operand_bytes(op)};
}

cpu::EagerAttentionSpace space_of(const OpView& op, int first, bool gradient, int threads) {
  const Sizes s = sizes_of(op, first);
  return cpu::eager_attention_space(s.length, s.heads * s.dim, s.dim, op.in(first).dtype, gradient, threads);
}

}  // namespace

// Attention as it is written down (Vaswani et al. 2017, section 3.2.1), every probability in memory: what
// `attention` is to be compared with. Sequences have one length.
OpDef eager_attention() {
  OpDef d;
  d.name = "eager_attention";
  d.input_names = {"q", "k", "v"};
  d.output_names = {"o", "probabilities"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> { return {op.in(0), probabilities(op, 0)}; };
  d.gradient = [](GradientContext& g) {
    const OpId id = g.emit("eager_attention_grad", "grad",
                           {g.grad_out(0), g.in(0), g.in(1), g.in(2), g.out(1)}, g.op().attributes);
    for (int i = 0; i < 3; ++i)
      if (g.wants(i)) g.add_grad(i, g.output_of(id, i));
  };
  d.work = [](const OpView& op) { return products(op, 0, 2); };
  d.workspace = [](const OpView& op, const DeviceTraits& device) {
    return space_of(op, 0, false, device.threads).total();
  };
  return d;
}

OpDef eager_attention_grad() {
  OpDef d;
  d.name = "eager_attention_grad";
  d.input_names = {"do", "q", "k", "v", "probabilities"};
  d.output_names = {"dq", "dk", "dv"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const TensorType p = probabilities(op, 1);
    expect_type(op, 0, op.in(1));
    expect_type(op, 4, p);
    return {op.in(1), op.in(2), op.in(3)};
  };
  d.work = [](const OpView& op) { return products(op, 1, 4); };
  d.workspace = [](const OpView& op, const DeviceTraits& device) {
    return space_of(op, 1, true, device.threads).total();
  };
  return d;
}

}  // namespace tidemark::ops
