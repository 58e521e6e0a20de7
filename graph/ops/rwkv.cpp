#include "base/divided.h"
#include "graph/ops/all.h"
#include "graph/ops/check.h"
#include "graph/state_space_workspace.h"

// Layers of RWKV (Peng et al. 2023, arXiv 2305.13048).
namespace tidemark::ops {
namespace {

/// x and mix are operands `first` and the following.
void check_shift(const OpView& op, int first) {
  const TensorType& x = expect_matrix(op, first);
  const TensorType& mix = op.in(first + 1);
  expect(mix.dtype == x.dtype && mix.shape.rank() > 0 && mix.shape.columns() == x.shape[1] &&
             mix.shape.rows() == 1,
         op, first + 1, std::string(name_of(x.dtype)) + "[" + std::to_string(x.shape[1]) + "]");
  op.attributes().flag("of_previous");
}

}  // namespace

// A step's row mixed with the one before it, which at a sequence's first step is zero. `mix` is this row's
// share, or `of_previous` the other's.
OpDef token_shift() {
  OpDef d;
  d.name = "token_shift";
  d.input_names = {"x", "mix", "cu_seqlens"};
  d.output_names = {"y"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    check_shift(op, 0);
    expect_ints(op, 2);
    return {op.in(0)};
  };
  d.gradient = [](GradientContext& g) {
    const OpId id = g.emit("token_shift_grad", "grad",
                           {g.grad_out(0), g.in(0), g.in(1), g.in(2), g.take_grad(0)}, g.op().attributes);
    for (int i = 0; i < 2; ++i)
      if (g.wants(i)) g.add_grad(i, g.output_of(id, i));
  };
  d.work = elementwise_work(3);
  d.cheap = true;
  return d;
}

OpDef token_shift_grad() {
  OpDef d;
  d.name = "token_shift_grad";
  d.input_names = {"dy", "x", "mix", "cu_seqlens", "dx_acc?"};
  d.output_names = {"dx", "dmix"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    check_shift(op, 1);
    expect_type(op, 0, op.in(1));
    expect_ints(op, 3);
    expect_type(op, 4, op.in(1));
    return {op.in(1), op.in(2)};
  };
  d.work = elementwise_work(7);
  d.aliases = {{0, 4, false}, {0, 0, false}};
  return d;
}

namespace {

struct Wkv {
  int64_t channels, chunk_rows;
  TensorType states;
};

/// k, v, time_decay, time_first are operands `first` and the following.
Wkv check_wkv(const OpView& op, int first) {
  const TensorType& k = expect_matrix(op, first);
  expect_type(op, first + 1, k);
  const int64_t rows = k.shape[0], channels = k.shape[1];
  for (int i = 2; i < 4; ++i) expect_type(op, first + i, vector(DType::f32, channels));
  const int64_t chunk_rows = op.attributes().integer("chunk_rows");
  if (chunk_rows < 1 || chunk_rows > cpu::kScanChunkRows)
    throw Error("bad op", "chunk_rows", "is " + std::to_string(chunk_rows));
  return {channels, std::min(rows, chunk_rows), {DType::f32, {divided(rows, chunk_rows), 3, channels}}};
}

}  // namespace

// RWKV-4's attention without queries, per channel: y(t) is the mean of v(s), s <= t, weighted by
// exp(k(s) - (t - 1 - s) exp(time_decay)), of the row itself by exp(k(t) + time_first). The running sums of
// weighted values and of weights have their largest exponent split off, so nothing overflows. They are stored
// before every chunk of rows only.
OpDef wkv() {
  OpDef d;
  d.name = "wkv";
  d.input_names = {"k", "v", "time_decay", "time_first", "cu_seqlens"};
  d.output_names = {"y", "states"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const Wkv wkv = check_wkv(op, 0);
    expect_ints(op, 4);
    return {op.in(0), wkv.states};
  };
  d.gradient = [](GradientContext& g) {
    const OpId id =
        g.emit("wkv_grad", "grad", {g.grad_out(0), g.in(0), g.in(1), g.in(2), g.in(3), g.out(1), g.in(4)},
               g.op().attributes);
    for (int i = 0; i < 4; ++i)
      if (g.wants(i)) g.add_grad(i, g.output_of(id, i));
  };
  d.work = elementwise_work(36);  // two exponentials
  d.aliases = {{0, 0, false}, {0, 1, false}};
  return d;
}

OpDef wkv_grad() {
  OpDef d;
  d.name = "wkv_grad";
  d.input_names = {"dy", "k", "v", "time_decay", "time_first", "states", "cu_seqlens"};
  d.output_names = {"dk", "dv", "dtime_decay", "dtime_first"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const Wkv wkv = check_wkv(op, 1);
    expect_type(op, 0, op.in(1));
    expect_type(op, 5, wkv.states);
    expect_ints(op, 6);
    return {op.in(1), op.in(2), op.in(3), op.in(4)};
  };
  d.work = elementwise_work(100);  // six exponentials
  d.workspace = [](const OpView& op, const DeviceTraits& device) {
    const Wkv wkv = check_wkv(op, 1);
    return cpu::wkv_grad_workspace(wkv.channels, wkv.chunk_rows, device.threads);
  };
  d.aliases = {{0, 1, false}, {1, 2, false}, {0, 0, false}};
  return d;
}

}  // namespace tidemark::ops
