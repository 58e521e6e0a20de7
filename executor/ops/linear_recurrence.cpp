#include "executor/ops/all.h"
#include "executor/ops/diagonal_scan.h"
#include "executor/ops/operands.h"
#include "executor/ops/scale_rows.h"
#include "graph/state_space_workspace.h"

namespace tidemark::ops {
namespace {

/// nu_log, theta_log and cu_seqlens are inputs `parameters` and the following; `x`: of the rows' type.
DiagonalScan scan_of(const KernelArgs& args, const TensorType& x, int parameters) {
  DiagonalScan s;
  s.bf16 = is_bf16(x);
  s.rows = rows_of(x);
  s.channels = columns_of(x);
  s.nu_log = args.in<float>(parameters);
  s.theta_log = args.in<float>(parameters + 1);
  s.sequences = sequences_of(args, parameters + 2);
  return s;
}

template <typename F>
void each_block(const KernelArgs& args, const DiagonalScan& s, F&& fn) {
  args.pool->parallel_for(cpu::scan_blocks(s.channels), [&](int64_t block, int) { fn(block); });
}

}  // namespace

void diagonal_scan_cpu(const KernelArgs& args) {
  DiagonalScan scan = scan_of(args, args.op.in(0), 2);
  std::copy_n(args.inputs.begin(), 2, scan.x);
  std::copy_n(args.outputs.begin(), 2, scan.h);
  const auto block = TIDEMARK_SIMD(diagonal_scan_block);
  each_block(args, scan, [&](int64_t i) { block(scan, i); });
}

void diagonal_scan_grad_cpu(const KernelArgs& args) {
  DiagonalScanGrad grad;
  grad.scan = scan_of(args, args.op.in(0), 4);
  std::copy_n(args.inputs.begin(), 2, grad.dh);
  std::copy_n(args.inputs.begin() + 2, 2, grad.scan.h);
  std::copy_n(args.outputs.begin(), 2, grad.dx);
  grad.dnu_log = args.out<float>(2);
  grad.dtheta_log = args.out<float>(3);
  const auto block = TIDEMARK_SIMD(diagonal_scan_grad_block);
  each_block(args, grad.scan, [&](int64_t i) { block(grad, i); });
}

namespace {

/// Of the weight that is input `first`.
void scale_rows(const KernelArgs& args, int first, const void* dy, void* y, float* dlog_scale) {
  const TensorType& weight = args.op.in(first);
  ScaleRows s;
  s.bf16 = is_bf16(weight);
  s.columns = columns_of(weight);
  s.weight = args.inputs[static_cast<size_t>(first)];
  s.log_scale = args.in<float>(first + 1);
  s.dy = dy;
  s.y = y;
  s.dlog_scale = dlog_scale;
  const auto rows = TIDEMARK_SIMD(scale_rows_range);
  parallel_rows(args.pool, rows_of(weight), s.columns,
                [&](int64_t begin, int64_t end) { rows(s, begin, end); });
}

}  // namespace

void scale_rows_cpu(const KernelArgs& args) {
  scale_rows(args, 0, nullptr, args.outputs[0], nullptr);
}

void scale_rows_grad_cpu(const KernelArgs& args) {
  scale_rows(args, 1, args.inputs[0], args.outputs[0], args.out<float>(1));
}

}  // namespace tidemark::ops
