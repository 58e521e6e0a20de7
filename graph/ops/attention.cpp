#include "graph/cpu_workspace.h"
#include "graph/ops/all.h"
#include "graph/ops/check.h"

namespace tidemark::ops {
namespace {

struct Heads {
  int64_t queries, keys, dim;
};

/// `cu_seqlens_k`: where the keys' own boundaries are, if they have any.
Heads heads_of(const OpView& op, int q, int cu_seqlens, int cu_seqlens_k) {
  const int64_t heads = op.attributes().integer("heads");
  const int64_t kv_heads = op.attributes().integer("kv_heads");
  op.attributes().number("scale");
  const TensorType& x = expect_matrix(op, q);
  expect(heads > 0 && x.shape[1] % heads == 0, op, q, "columns that the heads divide");
  const int64_t dim = x.shape[1] / heads;
  if (kv_heads <= 0 || heads % kv_heads != 0)
    throw Error(
        "wrong operand", "kv_heads",
        "is " + std::to_string(kv_heads) + ", which does not divide " + std::to_string(heads) + " heads");
  if (dim > 256)
    throw Error("wrong operand", "head_dim", "is " + std::to_string(dim) + ", at most 256 is supported");
  expect_ints(op, cu_seqlens);
  const bool causal = op.attributes().flag("causal"), cross = op.has_in(cu_seqlens_k);
  if (cross) {
    expect_type(op, cu_seqlens_k, op.in(cu_seqlens));
    if (causal)
      throw Error("wrong operand", "causal", "must be false where keys have sequences of their own");
    expect_matrix(op, q + 1);
  }
  const TensorType kv = matrix(x.dtype, cross ? op.in(q + 1).shape[0] : x.shape[0], kv_heads * dim);
  expect_type(op, q + 1, kv);
  expect_type(op, q + 2, kv);
  return {heads, kv_heads, dim};
}

/// Scores of every query and key, the worst packing (one sequence); half of them when causal.
Work attention_work(const OpView& op, int q, double products) {
  const double tokens = static_cast<double>(op.in(q).shape[0]);
  const double width = static_cast<double>(op.in(q).shape[1]);
  const double sequences =
      op.attributes().has("typical_length") ? tokens / op.attributes().number("typical_length") : 1;
  const double keys = static_cast<double>(op.in(q + 1).shape[0]);
  const double pairs = tokens * keys / sequences * (op.attributes().flag("causal") ? 0.5 : 1);
  return {2 * products * pairs * width, operand_bytes(op)};
}

}  // namespace

// Tiled with online softmax: Dao et al. 2022 (FlashAttention), Milakov & Gimelshein 2018.
OpDef attention() {
  OpDef d;
  d.name = "attention";
  d.input_names = {"q", "k", "v", "cu_seqlens", "cu_seqlens_k?"};
  d.output_names = {"o", "lse"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const Heads heads = heads_of(op, 0, 3, 4);
    const TensorType& q = op.in(0);
    return {q, matrix(DType::f32, heads.queries, q.shape[0])};
  };
  d.gradient = [](GradientContext& g) {
    const OpId id = g.emit("attention_grad", "grad",
                           {g.grad_out(0), g.in(0), g.in(1), g.in(2), g.out(0), g.out(1), g.in(3), g.in(4)},
                           g.op().attributes);
    for (int i = 0; i < 3; ++i)
      if (g.wants(i)) g.add_grad(i, g.output_of(id, i));
  };
  d.work = [](const OpView& op) { return attention_work(op, 0, 2); };
  d.workspace = [](const OpView& op, const DeviceTraits& device) {
    return cpu::attention_workspace(op.in(0).shape[1] / op.attributes().integer("heads"), device.threads);
  };
  return d;
}

OpDef attention_grad() {
  OpDef d;
  d.name = "attention_grad";
  d.input_names = {"do", "q", "k", "v", "o", "lse", "cu_seqlens", "cu_seqlens_k?"};
  d.output_names = {"dq", "dk", "dv"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const Heads heads = heads_of(op, 1, 6, 7);
    const TensorType& q = op.in(1);
    expect_type(op, 0, q);
    expect_type(op, 4, q);
    expect_type(op, 5, matrix(DType::f32, heads.queries, q.shape[0]));
    return {q, op.in(2), op.in(3)};
  };
  d.work = [](const OpView& op) { return attention_work(op, 1, 5); };
  d.workspace = [](const OpView& op, const DeviceTraits& device) {
    const TensorType& q = op.in(1);
    const int64_t heads = op.attributes().integer("heads");
    return cpu::attention_grad_space(q.shape[0], op.in(2).shape[0], heads,
                                     op.attributes().integer("kv_heads"), q.shape[1] / heads, q.dtype)
        .total(device.threads);
  };
  return d;
}

}  // namespace tidemark::ops
