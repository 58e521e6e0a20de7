#include "base/divided.h"
#include "graph/ops/all.h"
#include "graph/ops/check.h"
#include "graph/state_space_workspace.h"

// Layers of RWKV-7 (Peng et al. 2025, arXiv 2503.14456).
namespace tidemark::ops {
namespace {

/// Heads of `x`, operand i.
int64_t check_heads(const OpView& op, int i) {
  const TensorType& x = expect_matrix(op, i);
  const int64_t heads = op.attributes().integer("heads");
  expect(heads > 0 && x.shape[1] % heads == 0, op, i,
         "columns that " + std::to_string(heads) + " heads divide");
  return heads;
}

struct Wkv7 {
  int64_t rows;
  cpu::Wkv7Shape shape;

  TensorType states() const {
    const int64_t chunks = divided(rows, shape.chunk_rows);
    return {DType::f32, {chunks, shape.heads, shape.head_columns, shape.head_columns}};
  }
};

/// r, w, k, v, a, k_k, k_a are operands `first` and the following.
Wkv7 check_wkv7(const OpView& op, int first) {
  const int64_t heads = check_heads(op, first);
  const TensorType& r = op.in(first);
  for (int i = 1; i < 5; ++i) expect_type(op, first + i, r);
  for (int i = 5; i < 7; ++i) expect_type(op, first + i, vector(r.dtype, r.shape[1]));
  const int64_t chunk_rows = op.attributes().integer("chunk_rows");
  if (chunk_rows < 1 || chunk_rows > cpu::kScanChunkRows)
    throw Error("bad op", "chunk_rows", "is " + std::to_string(chunk_rows));
  return {r.shape[0], {heads, r.shape[1] / heads, std::min(r.shape[0], chunk_rows)}};
}

/// A row of a head reads and writes its whole state.
Work wkv7_work(const OpView& op, int first, double flops_per_entry) {
  const Wkv7 wkv = check_wkv7(op, first);
  const double entries = static_cast<double>(op.in(first).shape.elements() * wkv.shape.head_columns);
  return {flops_per_entry * entries, operand_bytes(op)};
}

}  // namespace

// The generalised delta rule: per head, with a key's direction n = normalised (k k_k), its learning rate
// e = sigmoid(a), its replacement k' = k (1 + (e - 1) k_a) and the decay d = exp(-exp(-1/2) sigmoid(w)),
//   S(t) = S(t-1) (diag(d) - n (n e)^T) + v k'^T,  y(t) = S(t) r.
// All of them are made again from w, k and a in the gradient. S is stored before every chunk of rows only,
// and made again in between: going back by the inverse of a row's factor would lose everything that it
// forgot.
OpDef wkv7() {
  OpDef d;
  d.name = "wkv7";
  d.input_names = {"r", "w", "k", "v", "a", "k_k", "k_a", "cu_seqlens"};
  d.output_names = {"y", "states"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const Wkv7 wkv = check_wkv7(op, 0);
    expect_ints(op, 7);
    return {op.in(0), wkv.states()};
  };
  // Of what the output reads again as it is, the gradient so far comes in and goes out with this op's added.
  d.gradient = [](GradientContext& g) {
    std::vector<ValueId> inputs = {g.grad_out(0)};
    for (int i = 0; i < 7; ++i) inputs.push_back(g.in(i));
    inputs.push_back(g.out(1));
    inputs.push_back(g.in(7));
    for (const int i : {0, 2, 3, 4}) inputs.push_back(g.take_grad(i));
    const OpId id = g.emit("wkv7_grad", "grad", std::move(inputs), g.op().attributes);
    for (int i = 0; i < 7; ++i)
      if (g.wants(i)) g.add_grad(i, g.output_of(id, i));
  };
  d.work = [](const OpView& op) { return wkv7_work(op, 0, 10); };
  d.workspace = [](const OpView& op, const DeviceTraits& device) {
    return cpu::wkv7_workspace(check_wkv7(op, 0).shape, false, device.threads);
  };
  d.aliases = {{0, 1, false}, {0, 0, false}};
  return d;
}

OpDef wkv7_grad() {
  OpDef d;
  d.name = "wkv7_grad";
  d.input_names = {"dy",  "r",      "w",          "k",       "v",       "a",       "k_k",
                   "k_a", "states", "cu_seqlens", "dr_acc?", "dk_acc?", "dv_acc?", "da_acc?"};
  d.output_names = {"dr", "dw", "dk", "dv", "da", "dk_k", "dk_a"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const Wkv7 wkv = check_wkv7(op, 1);
    expect_type(op, 0, op.in(1));
    expect_type(op, 8, wkv.states());
    expect_ints(op, 9);
    for (int i = 10; i < 14; ++i) expect_type(op, i, op.in(1));
    return {op.in(1), op.in(2), op.in(3), op.in(4), op.in(5), op.in(6), op.in(7)};
  };
  d.work = [](const OpView& op) { return wkv7_work(op, 1, 26); };
  d.workspace = [](const OpView& op, const DeviceTraits& device) {
    return cpu::wkv7_workspace(check_wkv7(op, 1).shape, true, device.threads);
  };
  d.aliases = {{0, 10, false}, {0, 1, false},  {1, 2, false}, {1, 0, false},  {2, 11, false},
               {2, 3, false},  {3, 12, false}, {3, 4, false}, {4, 13, false}, {4, 5, false}};
  return d;
}

namespace {

/// y, r, k, v, a, g, k_a, r_k are operands `first` and the following.
int64_t check_output(const OpView& op, int first) {
  const int64_t heads = check_heads(op, first);
  const TensorType& y = op.in(first);
  for (int i = 1; i < 6; ++i) expect_type(op, first + i, y);
  expect_type(op, first + 6, vector(y.dtype, y.shape[1]));
  expect_type(op, first + 7, matrix(y.dtype, heads, y.shape[1] / heads));
  return heads;
}

}  // namespace

// (y + (the sum of r r_k k' over the head) v) g, with k' as in wkv7.
OpDef wkv7_output() {
  OpDef d;
  d.name = "wkv7_output";
  d.input_names = {"y", "r", "k", "v", "a", "g", "k_a", "r_k"};
  d.output_names = {"o"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    check_output(op, 0);
    return {op.in(0)};
  };
  d.gradient = [](GradientContext& g) {
    std::vector<ValueId> inputs = {g.grad_out(0)};
    for (int i = 0; i < 8; ++i) inputs.push_back(g.in(i));
    const OpId id = g.emit("wkv7_output_grad", "grad", std::move(inputs), g.op().attributes);
    for (int i = 0; i < 8; ++i)
      if (g.wants(i)) g.add_grad(i, g.output_of(id, i));
  };
  d.work = elementwise_work(14);
  d.aliases = {{0, 0, false}, {0, 5, false}};
  d.cheap = true;
  return d;
}

OpDef wkv7_output_grad() {
  OpDef d;
  d.name = "wkv7_output_grad";
  d.input_names = {"do", "y", "r", "k", "v", "a", "g", "k_a", "r_k"};
  d.output_names = {"dy", "dr", "dk", "dv", "da", "dg", "dk_a", "dr_k"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    check_output(op, 1);
    expect_type(op, 0, op.in(1));
    std::vector<TensorType> types;
    for (int i = 1; i < 9; ++i) types.push_back(op.in(i));
    return types;
  };
  d.work = elementwise_work(40);
  d.workspace = [](const OpView& op, const DeviceTraits& device) {
    const int64_t heads = check_output(op, 1);
    return cpu::wkv7_output_grad_workspace(heads, op.in(1).shape[1] / heads, device.threads);
  };
  d.aliases = {{0, 0, false}, {0, 1, false}, {1, 2, false}, {2, 3, false},
               {3, 4, false}, {4, 5, false}, {5, 6, false}};
  return d;
}

}  // namespace tidemark::ops
