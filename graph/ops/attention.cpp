#include "graph/cpu_workspace.h"
#include "graph/ops/all.h"
#include "graph/ops/check.h"

namespace tidemark::ops {
namespace {

struct Heads {
  int64_t queries, keys, dim, value_dim;
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
  expect_ints(op, cu_seqlens);
  const bool causal = op.attributes().flag("causal"), cross = op.has_in(cu_seqlens_k);
  if (cross) {
    expect_type(op, cu_seqlens_k, op.in(cu_seqlens));
    if (causal)
      throw Error("wrong operand", "causal", "must be false where keys have sequences of their own");
    expect_matrix(op, q + 1);
  }
  const int64_t keys = cross ? op.in(q + 1).shape[0] : x.shape[0];
  expect_type(op, q + 1, matrix(x.dtype, keys, kv_heads * dim));
  const TensorType& v = expect_matrix(op, q + 2);
  expect(v.dtype == x.dtype && v.shape[0] == keys && v.shape[1] % kv_heads == 0, op, q + 2,
         "a row for each of the " + std::to_string(keys) + " keys, of " + std::string(name_of(x.dtype)) +
             " and columns that the heads divide");
  const int64_t value_dim = v.shape[1] / kv_heads;
  for (const int64_t columns : {dim, value_dim})
    if (columns > 256)
      throw Error("wrong operand", "head_dim",
                  "is " + std::to_string(columns) + ", at most 256 is supported");
  return {heads, kv_heads, dim, value_dim};
}

/// Scores of every query and key, the worst packing (one sequence); half of them when causal.
/// `key_products` and `value_products`: whose inner or outer dimension is that of keys or of values.
Work attention_work(const OpView& op, const Heads& heads, int q, double key_products, double value_products) {
  const double tokens = static_cast<double>(op.in(q).shape[0]);
  const double columns =
      static_cast<double>(heads.queries) *
      (key_products * static_cast<double>(heads.dim) + value_products * static_cast<double>(heads.value_dim));
  const double sequences =
      op.attributes().has("typical_length") ? tokens / op.attributes().number("typical_length") : 1;
  const double keys = static_cast<double>(op.in(q + 1).shape[0]);
  const double pairs = tokens * keys / sequences * (op.attributes().flag("causal") ? 0.5 : 1);
  return {2 * pairs * columns, operand_bytes(op)};
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
    return {matrix(q.dtype, q.shape[0], heads.queries * heads.value_dim),
            matrix(DType::f32, heads.queries, q.shape[0])};
  };
  d.gradient = [](GradientContext& g) {
    const OpId id = g.emit("attention_grad", "grad",
                           {g.grad_out(0), g.in(0), g.in(1), g.in(2), g.out(0), g.out(1), g.in(3), g.in(4)},
                           g.op().attributes);
    for (int i = 0; i < 3; ++i)
      if (g.wants(i)) g.add_grad(i, g.output_of(id, i));
  };
  d.work = [](const OpView& op) { return attention_work(op, heads_of(op, 0, 3, 4), 0, 1, 1); };
  d.workspace = [](const OpView& op, const DeviceTraits& device) {
    const Heads heads = heads_of(op, 0, 3, 4);
    return cpu::attention_workspace(heads.dim, heads.value_dim, device.threads);
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
    const TensorType o = matrix(q.dtype, q.shape[0], heads.queries * heads.value_dim);
    expect_type(op, 0, o);
    expect_type(op, 4, o);
    expect_type(op, 5, matrix(DType::f32, heads.queries, q.shape[0]));
    return {q, op.in(2), op.in(3)};
  };
  d.work = [](const OpView& op) { return attention_work(op, heads_of(op, 1, 6, 7), 1, 3, 2); };
  d.workspace = [](const OpView& op, const DeviceTraits& device) {
    const TensorType& q = op.in(1);
    const Heads h = heads_of(op, 1, 6, 7);
    return cpu::attention_grad_space(q.shape[0], op.in(2).shape[0], h.queries, h.keys, h.dim, h.value_dim,
                                     q.dtype)
        .total(device.threads);
  };
  return d;
}

}  // namespace tidemark::ops
