#include <cmath>

#include "graph/ops/all.h"
#include "graph/ops/check.h"
#include "graph/state_space_workspace.h"

// State-space layers whose coefficients do not depend on time are a convolution with a kernel as long as the
// sequence: K(l) = C A^l B per channel (Gu et al. 2022, S4; Gu, Gupta et al. 2022, S4D).
namespace tidemark::ops {
namespace {

constexpr int64_t kLongest = int64_t{1} << 22;

cpu::FftSpace fft_space(const OpView& op, int kernel, bool gradient) {
  return cpu::fft_space(op.in(kernel).shape[1], gradient);
}

/// u, kernel, cu_seqlens are operands `first` and the following.
void check_convolution(const OpView& op, int first) {
  const TensorType& u = expect_matrix(op, first);
  const TensorType& kernel = expect_matrix(op, first + 1);
  expect(kernel.dtype == DType::f32 && kernel.shape[0] == u.shape[1] && kernel.shape[1] <= kLongest, op,
         first + 1, "f32[" + std::to_string(u.shape[1]) + ", at most " + std::to_string(kLongest) + "]");
  expect_ints(op, first + 2);
}

/// `transforms` per block of channels and sequence. Sequences are not known here: as many as fill the rows.
Work fft_work(const OpView& op, int u, double transforms) {
  const double length = static_cast<double>(op.in(u + 1).shape[1]);
  const double points = static_cast<double>(cpu::fft_space(op.in(u + 1).shape[1], false).points);
  const double elements = static_cast<double>(op.in(u).shape.elements());
  return {elements / length * transforms * 5 * points * std::log2(points + 1), operand_bytes(op)};
}

int64_t workspace_of(const OpView& op, int u, bool gradient, const DeviceTraits& device) {
  const int64_t blocks = cpu::fft_blocks(op.in(u).shape[1]);
  return fft_space(op, u + 1, gradient).bytes(static_cast<int>(std::min<int64_t>(device.threads, blocks)));
}

}  // namespace

// y(t) = the sum of kernel(l) u(t - l) in each sequence, by fast Fourier transforms (of one length for all
// sequences, Cooley & Tukey 1965): less work than a scan over the states from about 16 of them on, and what
// the gradient needs is u and the kernel alone.
OpDef long_convolution() {
  OpDef d;
  d.name = "long_convolution";
  d.input_names = {"u", "kernel", "cu_seqlens"};
  d.output_names = {"y"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    check_convolution(op, 0);
    return {op.in(0)};
  };
  d.gradient = [](GradientContext& g) {
    const OpId id =
        g.emit("long_convolution_grad", "grad", {g.grad_out(0), g.in(0), g.in(1), g.in(2), g.take_grad(0)});
    for (int i = 0; i < 2; ++i)
      if (g.wants(i)) g.add_grad(i, g.output_of(id, i));
  };
  d.work = [](const OpView& op) { return fft_work(op, 0, 2); };
  d.workspace = [](const OpView& op, const DeviceTraits& device) {
    return workspace_of(op, 0, false, device);
  };
  d.aliases = {{0, 0, false}};
  return d;
}

OpDef long_convolution_grad() {
  OpDef d;
  d.name = "long_convolution_grad";
  d.input_names = {"dy", "u", "kernel", "cu_seqlens", "du_acc?"};
  d.output_names = {"du", "dkernel"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    check_convolution(op, 1);
    expect_type(op, 0, op.in(1));
    expect_type(op, 4, op.in(1));
    return {op.in(1), op.in(2)};
  };
  d.work = [](const OpView& op) { return fft_work(op, 1, 3); };
  d.workspace = [](const OpView& op, const DeviceTraits& device) {
    return workspace_of(op, 1, true, device);
  };
  d.aliases = {{0, 4, false}, {0, 0, false}};
  return d;
}

namespace {

struct SsmOperands {
  int64_t channels, states;
};

/// log_dt, A_real_log, A_imag, C, B?, P? are operands `first` and the following.
SsmOperands check_ssm(const OpView& op, int first) {
  const TensorType& a = expect_matrix(op, first + 1);
  const SsmOperands ssm{a.shape[0], a.shape[1]};
  const TensorType complex{DType::f32, {ssm.channels, ssm.states, 2}};
  expect_type(op, first, vector(DType::f32, ssm.channels));
  for (int i = 1; i < 3; ++i) expect_type(op, first + i, matrix(DType::f32, ssm.channels, ssm.states));
  for (int i = 3; i < 6; ++i) expect_type(op, first + i, complex);
  const std::string& discretization = op.attributes().text("discretization");
  if (discretization != "bilinear" && discretization != "zoh")
    throw Error("bad op", "discretization", "'" + discretization + "' is not bilinear or zoh");
  if (op.has_in(first + 5) && discretization != "bilinear")
    throw Error("bad op", "discretization", "'zoh' needs an A that is diagonal (without P)");
  const int64_t length = op.attributes().integer("length");
  if (length < 1 || length > kLongest)
    throw Error("bad op", "length",
                "is " + std::to_string(length) + ", expected 1 to " + std::to_string(kLongest));
  return ssm;
}

/// `flops` per state and step.
Work ssm_work(const OpView& op, int first, double flops) {
  return {flops * static_cast<double>(op.in(first + 1).shape.elements()) *
              static_cast<double>(op.attributes().integer("length")),
          operand_bytes(op)};
}

}  // namespace

// The kernel K(l) = C A^l B, l < length, of a state-space model per channel. Of A = diag(a) - P P^* (Gu et
// al. 2022, S4) or diag(a) (S4D), a = -exp(A_real_log) + i A_imag, and of B and C there is one of every two
// conjugates; B without an operand is 1. Discretised with the step exp(log_dt). In float64, step after step:
// A is diagonal plus rank one, so a step costs as much as a term of a Cauchy sum, and the kernel is exact for
// any length.
OpDef ssm_kernel() {
  OpDef d;
  d.name = "ssm_kernel";
  d.input_names = {"log_dt", "A_real_log", "A_imag", "C", "B?", "P?"};
  d.output_names = {"kernel"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    return {matrix(DType::f32, check_ssm(op, 0).channels, op.attributes().integer("length"))};
  };
  d.gradient = [](GradientContext& g) {
    std::vector<ValueId> inputs = {g.grad_out(0)};
    for (int i = 0; i < 6; ++i) inputs.push_back(g.in(i));
    const OpId id = g.emit("ssm_kernel_grad", "grad", std::move(inputs), g.op().attributes);
    for (int i = 0; i < 6; ++i)
      if (g.in(i) != kNone && g.wants(i)) g.add_grad(i, g.output_of(id, i));
  };
  d.work = [](const OpView& op) { return ssm_work(op, 0, 20); };
  d.workspace = [](const OpView& op, const DeviceTraits& device) {
    const SsmOperands ssm = check_ssm(op, 0);
    return cpu::ssm_kernel_space(ssm.channels, ssm.states, 0).bytes(device.threads);
  };
  return d;
}

OpDef ssm_kernel_grad() {
  OpDef d;
  d.name = "ssm_kernel_grad";
  d.input_names = {"dkernel", "log_dt", "A_real_log", "A_imag", "C", "B?", "P?"};
  d.output_names = {"dlog_dt", "dA_real_log", "dA_imag", "dC", "dB?", "dP?"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const SsmOperands ssm = check_ssm(op, 1);
    expect_type(op, 0, matrix(DType::f32, ssm.channels, op.attributes().integer("length")));
    std::vector<TensorType> types;
    for (int i = 1; i < 7; ++i) types.push_back(op.has_in(i) ? op.in(i) : absent());
    return types;
  };
  d.work = [](const OpView& op) { return ssm_work(op, 1, 60); };
  d.workspace = [](const OpView& op, const DeviceTraits& device) {
    const SsmOperands ssm = check_ssm(op, 1);
    return cpu::ssm_kernel_space(ssm.channels, ssm.states, op.attributes().integer("length"))
        .bytes(device.threads);
  };
  return d;
}

}  // namespace tidemark::ops
