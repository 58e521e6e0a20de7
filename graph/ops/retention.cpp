#include "base/divided.h"
#include "graph/ops/all.h"
#include "graph/ops/check.h"
#include "graph/state_space_workspace.h"

namespace tidemark::ops {
namespace {

struct Retention {
  int64_t rows, chunks;
  cpu::RetentionShape shape;
};

/// q, k, v are operands `first` and the following.
Retention check_retention(const OpView& op, int first) {
  const TensorType& q = expect_matrix(op, first);
  const TensorType& v = expect_matrix(op, first + 2);
  expect_type(op, first + 1, q);
  const std::vector<double>& decays = op.attributes().numbers("decays");
  const auto heads = static_cast<int64_t>(decays.size());
  for (const double decay : decays)
    if (!(decay > 0 && decay < 1)) throw Error("bad op", "decays", "must be between 0 and 1");
  expect(heads > 0 && q.shape[1] % heads == 0, op, first, "columns that the heads divide");
  expect(v.dtype == q.dtype && v.shape[0] == q.shape[0] && v.shape[1] % heads == 0, op, first + 2,
         "as many rows as q and columns that the heads divide");
  const int64_t chunk_rows = op.attributes().integer("chunk_rows");
  if (chunk_rows < 1) throw Error("bad op", "chunk_rows", "is " + std::to_string(chunk_rows));
  op.attributes().number("scale");
  const int64_t rows = q.shape[0];
  return {rows,
          divided(rows, chunk_rows),
          {heads, q.shape[1] / heads, v.shape[1] / heads, std::min(rows, chunk_rows)}};
}

TensorType states_of(const Retention& r) {
  return {DType::f32, {r.chunks, r.shape.heads, r.shape.key_columns, r.shape.value_columns + 1}};
}
TensorType normalizer_of(const Retention& r) {
  return matrix(DType::f32, r.rows, r.shape.heads);
}

/// Products among a piece's rows and with the state, per row and head.
Work retention_work(const OpView& op, int first, double passes) {
  const Retention r = check_retention(op, first);
  const auto k = static_cast<double>(r.shape.key_columns), v = static_cast<double>(r.shape.value_columns);
  const auto piece = static_cast<double>(r.shape.piece_rows());
  return {passes * 2 * static_cast<double>(r.rows * r.shape.heads) * (piece * (k + v) + 2 * k * v),
          operand_bytes(op)};
}

}  // namespace

// Sun et al. 2023 (RetNet), the chunkwise form: o(t) = the sum over s <= t of decay^(t-s) (q(t) scale k(s))
// v(s) per head, over a normaliser that no gradient flows through. The states, of which the last column adds
// up keys for the normaliser, are stored before every chunk only.
OpDef retention() {
  OpDef d;
  d.name = "retention";
  d.input_names = {"q", "k", "v", "cu_seqlens"};
  d.output_names = {"o", "normalizer", "states"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const Retention r = check_retention(op, 0);
    expect_ints(op, 3);
    return {op.in(2), normalizer_of(r), states_of(r)};
  };
  d.gradient = [](GradientContext& g) {
    const OpId id =
        g.emit("retention_grad", "grad",
               {g.grad_out(0), g.in(0), g.in(1), g.in(2), g.out(1), g.out(2), g.in(3)}, g.op().attributes);
    for (int i = 0; i < 3; ++i)
      if (g.wants(i)) g.add_grad(i, g.output_of(id, i));
  };
  d.work = [](const OpView& op) { return retention_work(op, 0, 1); };
  d.workspace = [](const OpView& op, const DeviceTraits& device) {
    return cpu::retention_workspace(check_retention(op, 0).shape, false, device.threads);
  };
  d.aliases = {{0, 2, false}};
  return d;
}

OpDef retention_grad() {
  OpDef d;
  d.name = "retention_grad";
  d.input_names = {"do", "q", "k", "v", "normalizer", "states", "cu_seqlens"};
  d.output_names = {"dq", "dk", "dv"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const Retention r = check_retention(op, 1);
    expect_type(op, 0, op.in(3));
    expect_type(op, 4, normalizer_of(r));
    expect_type(op, 5, states_of(r));
    expect_ints(op, 6);
    return {op.in(1), op.in(2), op.in(3)};
  };
  d.work = [](const OpView& op) { return retention_work(op, 1, 2.5); };
  d.workspace = [](const OpView& op, const DeviceTraits& device) {
    return cpu::retention_workspace(check_retention(op, 1).shape, true, device.threads);
  };
  d.aliases = {{2, 0, false}, {0, 1, false}, {1, 2, false}, {2, 3, false}};
  return d;
}

}  // namespace tidemark::ops
