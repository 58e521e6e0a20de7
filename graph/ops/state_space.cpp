#include "base/divided.h"
#include "graph/ops/all.h"
#include "graph/ops/check.h"
#include "graph/state_space_workspace.h"

// Layers with a linear recurrence whose coefficients depend on the input. Sequences stand one after
// another; cu_seqlens says where each begins, and nothing crosses from one to the next.
namespace tidemark::ops {
namespace {

constexpr int64_t kWidestConvolution = 16;

TensorType f32_vector(int64_t n) {
  return vector(DType::f32, n);
}

int64_t positive_attribute(const OpView& op, const char* name, int64_t most) {
  const int64_t n = op.attributes().integer(name);
  if (n < 1 || n > most)
    throw Error("wrong operand", name, "is " + std::to_string(n) + ", expected 1 to " + std::to_string(most));
  return n;
}

}  // namespace

void expect_columns(const OpView& op, int i, DType dtype, int64_t rows, int64_t columns) {
  const int64_t first = op.attributes().integer("first_column");
  const TensorType& x = expect_matrix(op, i);
  expect(x.dtype == dtype && x.shape[0] == rows && first >= 0 && first + columns <= x.shape[1], op, i,
         std::string(name_of(dtype)) + "[" + std::to_string(rows) + ", at least " +
             std::to_string(first + columns) + "]");
}

// Depthwise, with SiLU, as in H3 and Mamba (Gu & Dao 2023).
OpDef causal_conv1d() {
  OpDef d;
  d.name = "causal_conv1d";
  d.input_names = {"x", "weight", "bias?", "cu_seqlens"};
  d.output_names = {"y"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const TensorType& x = expect_matrix(op, 0);
    const TensorType& w = op.in(1);
    expect(w.dtype == x.dtype && w.shape.rank() == 3 && w.shape[1] == 1 && w.shape[2] <= kWidestConvolution,
           op, 1, "[channels, 1, at most " + std::to_string(kWidestConvolution) + "] of x's dtype");
    expect_columns(op, 0, x.dtype, x.shape[0], w.shape[0]);
    expect_type(op, 2, vector(x.dtype, w.shape[0]));
    expect_ints(op, 3);
    return {matrix(x.dtype, x.shape[0], w.shape[0])};
  };
  d.gradient = [](GradientContext& g) {
    const OpId id =
        g.emit("causal_conv1d_grad", "grad",
               {g.grad_out(0), g.in(0), g.in(1), g.in(2), g.in(3), g.take_grad(0)}, g.op().attributes);
    for (int i = 0; i < 3; ++i)
      if (g.in(i) != kNone && g.wants(i)) g.add_grad(i, g.output_of(id, i));
  };
  d.work = [](const OpView& op) {
    const double y = static_cast<double>(op.out(0).shape.elements());
    return Work{y * (2 * static_cast<double>(op.in(1).shape[2]) + 5), operand_bytes(op)};
  };
  d.cheap = true;
  return d;
}

OpDef causal_conv1d_grad() {
  OpDef d;
  d.name = "causal_conv1d_grad";
  d.input_names = {"dy", "x", "weight", "bias?", "cu_seqlens", "dx_acc?"};
  d.output_names = {"dx", "dweight", "dbias?"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const TensorType& x = expect_matrix(op, 1);
    const TensorType& w = op.in(2);
    expect(w.shape.rank() == 3, op, 2, "[channels, 1, width]");
    expect_columns(op, 1, x.dtype, x.shape[0], w.shape[0]);
    expect_type(op, 0, matrix(x.dtype, x.shape[0], w.shape[0]));
    expect_type(op, 3, vector(x.dtype, w.shape[0]));
    expect_ints(op, 4);
    expect_type(op, 5, x);
    return {x, w, op.has_in(3) ? op.in(3) : absent()};
  };
  d.work = [](const OpView& op) {
    const double y = static_cast<double>(op.in(0).shape.elements());
    return Work{y * (6 * static_cast<double>(op.in(2).shape[2]) + 10), operand_bytes(op)};
  };
  d.aliases = {{0, 5, true}};
  return d;
}

namespace {

struct Scan {
  DType dtype;
  int64_t rows, channels, states, chunks;
};

/// u, dt, bc, z, A_log, D, dt_bias are operands `first` and the following.
Scan check_scan(const OpView& op, int first) {
  const TensorType& u = expect_matrix(op, first);
  const TensorType& a_log = expect_matrix(op, first + 4);
  const Scan scan{u.dtype, u.shape[0], u.shape[1], a_log.shape[1],
                  divided(u.shape[0], positive_attribute(op, "chunk_rows", cpu::kScanChunkRows))};
  expect_type(op, first + 1, u);
  expect_type(op, first + 2, matrix(u.dtype, scan.rows, 2 * scan.states));
  expect_columns(op, first + 3, u.dtype, scan.rows, scan.channels);
  expect_type(op, first + 4, matrix(DType::f32, scan.channels, scan.states));
  expect_type(op, first + 5, f32_vector(scan.channels));
  expect_type(op, first + 6, f32_vector(scan.channels));
  return scan;
}

TensorType states_of(const Scan& scan) {
  return {DType::f32, {scan.chunks, scan.states, scan.channels}};
}

/// `flops` per element of the state and row; one exponential counts as ten.
Work scan_work(const OpView& op, int u, int a_log, double flops) {
  return {flops * static_cast<double>(op.in(u).shape[0]) * static_cast<double>(op.in(a_log).shape.elements()),
          operand_bytes(op)};
}

int64_t chunk_rows_of(const OpView& op, int64_t rows) {
  return std::min(rows, op.attributes().integer("chunk_rows"));
}

}  // namespace

// Gu & Dao 2023 (Mamba): h' = exp(delta A) h + delta B u, y = (C h' + D u) silu(z), delta = softplus(dt +
// dt_bias). The states of all rows are never stored, only those before every chunk.
OpDef selective_scan() {
  OpDef d;
  d.name = "selective_scan";
  d.input_names = {"u", "dt", "bc", "z", "A_log", "D", "dt_bias", "cu_seqlens"};
  d.output_names = {"y", "states"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const Scan scan = check_scan(op, 0);
    expect_ints(op, 7);
    return {op.in(0), states_of(scan)};
  };
  d.gradient = [](GradientContext& g) {
    std::vector<ValueId> inputs = {g.grad_out(0)};
    for (int i = 0; i < 7; ++i) inputs.push_back(g.in(i));
    inputs.insert(inputs.end(), {g.out(1), g.in(7), g.take_grad(3)});
    const OpId id = g.emit("selective_scan_grad", "grad", std::move(inputs), g.op().attributes);
    for (int i = 0; i < 7; ++i)
      if (g.wants(i)) g.add_grad(i, g.output_of(id, i));
  };
  d.work = [](const OpView& op) { return scan_work(op, 0, 4, 16); };
  d.workspace = [](const OpView& op, const DeviceTraits& device) {
    return cpu::selective_scan_workspace(op.in(0).shape[1], op.in(4).shape[1],
                                         chunk_rows_of(op, op.in(0).shape[0]), device.threads);
  };
  d.aliases = {{0, 0, false}, {0, 1, false}};
  return d;
}

OpDef selective_scan_grad() {
  OpDef d;
  d.name = "selective_scan_grad";
  d.input_names = {"dy", "u", "dt", "bc", "z", "A_log", "D", "dt_bias", "states", "cu_seqlens", "dz_acc?"};
  d.output_names = {"du", "ddt", "dbc", "dz", "dA_log", "dD", "ddt_bias"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const Scan scan = check_scan(op, 1);
    expect_type(op, 0, op.in(1));
    expect_type(op, 8, states_of(scan));
    expect_ints(op, 9);
    expect_type(op, 10, op.in(4));
    return {op.in(1), op.in(2), op.in(3), op.in(4), op.in(5), op.in(6), op.in(7)};
  };
  d.work = [](const OpView& op) { return scan_work(op, 1, 5, 32); };
  d.workspace = [](const OpView& op, const DeviceTraits& device) {
    return cpu::selective_scan_grad_workspace(op.in(1).shape[1], op.in(5).shape[1],
                                              chunk_rows_of(op, op.in(1).shape[0]), device.threads);
  };
  d.aliases = {{0, 0, false}, {1, 2, false}, {2, 3, false}, {3, 10, true}};
  return d;
}

namespace {

struct Ssd {
  DType dtype;
  int64_t rows, chunks;
  cpu::SsdShape shape;
};

/// xbc, dt, A_log, D, dt_bias are operands `first` and the following.
Ssd check_ssd(const OpView& op, int first) {
  const TensorType& xbc = expect_matrix(op, first);
  Ssd ssd{xbc.dtype, xbc.shape[0], 0, {}};
  constexpr int64_t kMost = int64_t{1} << 20;
  ssd.shape.heads = positive_attribute(op, "heads", kMost);
  ssd.shape.groups = positive_attribute(op, "groups", kMost);
  ssd.shape.states = positive_attribute(op, "states", kMost);
  const int64_t chunk_rows = positive_attribute(op, "chunk_rows", kMost);
  ssd.shape.chunk_rows = std::min(ssd.rows, chunk_rows);
  ssd.chunks = divided(ssd.rows, chunk_rows);
  op.attributes().number("dt_min");
  if (ssd.shape.heads % ssd.shape.groups != 0)
    throw Error("wrong operand", "groups",
                "is " + std::to_string(ssd.shape.groups) + ", which does not divide " +
                    std::to_string(ssd.shape.heads) + " heads");
  const int64_t columns = xbc.shape[1] - 2 * ssd.shape.groups * ssd.shape.states;
  expect(columns > 0 && columns % ssd.shape.heads == 0, op, first,
         "columns of heads that are equal, then of B and C");
  ssd.shape.head_columns = columns / ssd.shape.heads;
  expect_columns(op, first + 1, xbc.dtype, ssd.rows, ssd.shape.heads);
  for (int i = 2; i < 5; ++i) expect_type(op, first + i, f32_vector(ssd.shape.heads));
  return ssd;
}

TensorType states_of(const Ssd& ssd) {
  return {DType::f32, {ssd.chunks, ssd.shape.heads, ssd.shape.states, ssd.shape.head_columns}};
}
TensorType output_of(const Ssd& ssd) {
  return matrix(ssd.dtype, ssd.rows, ssd.shape.heads * ssd.shape.head_columns);
}

/// Products of a piece's rows with each other, and with the states, per head.
Work ssd_work(const OpView& op, int xbc, double among_rows, double with_states) {
  const Ssd ssd = check_ssd(op, xbc);
  const double elements = static_cast<double>(output_of(ssd).shape.elements());
  return {2 * elements *
              (among_rows * static_cast<double>(ssd.shape.piece_rows()) +
               with_states * static_cast<double>(ssd.shape.states)),
          operand_bytes(op)};
}

}  // namespace

// Dao & Gu 2024 (Mamba-2, "structured state-space duality"): per head h' = exp(delta A) h + delta B x^T,
// y = C h' + D x, delta = softplus(dt + dt_bias) within limits, made as matrix products over pieces of a
// chunk. The states are stored before every chunk only.
OpDef ssd_scan() {
  OpDef d;
  d.name = "ssd_scan";
  d.input_names = {"xbc", "dt", "A_log", "D", "dt_bias", "cu_seqlens"};
  d.output_names = {"y", "states"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const Ssd ssd = check_ssd(op, 0);
    expect_ints(op, 5);
    return {output_of(ssd), states_of(ssd)};
  };
  d.gradient = [](GradientContext& g) {
    std::vector<ValueId> inputs = {g.grad_out(0)};
    for (int i = 0; i < 5; ++i) inputs.push_back(g.in(i));
    inputs.insert(inputs.end(), {g.out(1), g.in(5), g.take_grad(1)});
    const OpId id = g.emit("ssd_scan_grad", "grad", std::move(inputs), g.op().attributes);
    for (int i = 0; i < 5; ++i)
      if (g.wants(i)) g.add_grad(i, g.output_of(id, i));
  };
  d.work = [](const OpView& op) { return ssd_work(op, 0, 1, 2); };
  d.workspace = [](const OpView& op, const DeviceTraits& device) {
    return cpu::ssd_workspace(check_ssd(op, 0).shape, false, device.threads);
  };
  return d;
}

OpDef ssd_scan_grad() {
  OpDef d;
  d.name = "ssd_scan_grad";
  d.input_names = {"dy", "xbc", "dt", "A_log", "D", "dt_bias", "states", "cu_seqlens", "ddt_acc?"};
  d.output_names = {"dxbc", "ddt", "dA_log", "dD", "ddt_bias"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const Ssd ssd = check_ssd(op, 1);
    expect_type(op, 0, output_of(ssd));
    expect_type(op, 6, states_of(ssd));
    expect_ints(op, 7);
    expect_type(op, 8, op.in(2));
    return {op.in(1), op.in(2), op.in(3), op.in(4), op.in(5)};
  };
  d.work = [](const OpView& op) { return ssd_work(op, 1, 2, 5); };
  d.workspace = [](const OpView& op, const DeviceTraits& device) {
    return cpu::ssd_workspace(check_ssd(op, 1).shape, true, device.threads);
  };
  d.aliases = {{0, 1, false}, {1, 8, true}};
  return d;
}

}  // namespace tidemark::ops
