// Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434): each head's keys and values are one projection
// of a token's latent vector, and the columns of the keys that positions turn are shared by all heads.
#include "graph/ops/all.h"
#include "graph/ops/check.h"

namespace tidemark::ops {
namespace {

struct Heads {
  int64_t rows, heads, keys, values, shared;
  DType dtype;

  TensorType projected() const { return matrix(dtype, rows, heads * (keys + values)); }
  TensorType k() const { return matrix(dtype, rows, heads * (keys + shared)); }
  TensorType v() const { return matrix(dtype, rows, heads * values); }
};

/// `first` is an operand with a row per token, `shared` the columns that all heads share.
Heads heads_of(const OpView& op, int first, int64_t shared) {
  const Attributes& a = op.attributes();
  const TensorType& x = expect_matrix(op, first);
  const Heads h{x.shape[0], a.integer("heads"), a.integer("key_columns"), a.integer("value_columns"), shared,
                x.dtype};
  for (const auto& [name, n] :
       {std::pair{"heads", h.heads}, {"key_columns", h.keys}, {"value_columns", h.values}})
    if (n <= 0) throw Error("wrong operand", name, "is " + std::to_string(n), "give a positive number");
  return h;
}

}  // namespace

OpDef latent_heads() {
  OpDef d;
  d.name = "latent_heads";
  d.input_names = {"kv", "shared"};
  d.output_names = {"k", "v"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const Heads h = heads_of(op, 0, expect_matrix(op, 1).shape[1]);
    expect_type(op, 0, h.projected());
    expect_type(op, 1, matrix(h.dtype, h.rows, h.shared));
    return {h.k(), h.v()};
  };
  d.gradient = [](GradientContext& g) {
    if (g.grad_out(0) == kNone || g.grad_out(1) == kNone)
      throw Error("no gradient", g.op().name, "only keys or only values have a gradient");
    const OpId id = g.emit("latent_heads_grad", "grad", {g.grad_out(0), g.grad_out(1)}, g.op().attributes);
    for (int i = 0; i < 2; ++i)
      if (g.wants(i)) g.add_grad(i, g.output_of(id, i));
  };
  d.work = elementwise_work(0);
  d.cheap = true;
  return d;
}

OpDef latent_heads_grad() {
  OpDef d;
  d.name = "latent_heads_grad";
  d.input_names = {"dk", "dv"};
  d.output_names = {"dkv", "dshared"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const int64_t heads = op.attributes().integer("heads");
    const TensorType& dk = expect_matrix(op, 0);
    expect(heads > 0 && dk.shape[1] % heads == 0, op, 0, "columns that the heads divide");
    const int64_t shared = dk.shape[1] / heads - op.attributes().integer("key_columns");
    expect(shared > 0, op, 0, "more columns per head than key_columns");
    const Heads h = heads_of(op, 0, shared);
    expect_type(op, 1, h.v());
    return {h.projected(), matrix(h.dtype, h.rows, shared)};
  };
  d.work = elementwise_work(1);
  return d;
}

}  // namespace tidemark::ops
