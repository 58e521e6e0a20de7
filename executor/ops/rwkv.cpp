#include "executor/ops/all.h"
#include "executor/ops/operands.h"
#include "executor/ops/token_shift.h"
#include "executor/ops/wkv.h"
#include "graph/state_space_workspace.h"

namespace tidemark::ops {
namespace {

/// x, mix and cu_seqlens are inputs `first` and the following.
TokenShift shift_of(const KernelArgs& args, int first) {
  const TensorType& x = args.op.in(first);
  TokenShift s;
  s.bf16 = is_bf16(x);
  s.of_previous = args.op.attributes().flag("of_previous");
  s.rows = rows_of(x);
  s.channels = columns_of(x);
  s.x = args.inputs[static_cast<size_t>(first)];
  s.mix = args.inputs[static_cast<size_t>(first + 1)];
  s.sequences = sequences_of(args, first + 2);
  return s;
}

}  // namespace

void token_shift_cpu(const KernelArgs& args) {
  const TokenShift shift = shift_of(args, 0);
  const auto rows = TIDEMARK_SIMD(token_shift_rows);
  parallel_ranges(args.pool, shift.rows, kShiftRows,
                  [&](int64_t row, int64_t) { rows(shift, args.outputs[0], row); });
}

void token_shift_grad_cpu(const KernelArgs& args) {
  TokenShiftGrad grad;
  grad.shift = shift_of(args, 1);
  grad.dy = args.inputs[0];
  grad.dx_acc = args.op.has_in(4) ? args.inputs[4] : nullptr;
  grad.dx = args.outputs[0];
  grad.dmix = args.outputs[1];
  const auto block = TIDEMARK_SIMD(token_shift_grad_block);
  args.pool->parallel_for(cpu::scan_blocks(grad.shift.channels), [&](int64_t i, int) { block(grad, i); });
}

namespace {

/// k, v, time_decay and time_first are inputs `first` and the following.
Wkv wkv_of(const KernelArgs& args, int first, int cu_seqlens) {
  const TensorType& k = args.op.in(first);
  Wkv s;
  s.bf16 = is_bf16(k);
  s.rows = rows_of(k);
  s.channels = columns_of(k);
  s.chunk_rows = std::min(s.rows, args.op.attributes().integer("chunk_rows"));
  s.k = args.inputs[static_cast<size_t>(first)];
  s.v = args.inputs[static_cast<size_t>(first + 1)];
  s.time_decay = args.in<float>(first + 2);
  s.time_first = args.in<float>(first + 3);
  s.sequences = sequences_of(args, cu_seqlens);
  return s;
}

}  // namespace

void wkv_cpu(const KernelArgs& args) {
  const Wkv wkv = wkv_of(args, 0, 4);
  const auto block = TIDEMARK_SIMD(wkv_block);
  args.pool->parallel_for(cpu::scan_blocks(wkv.channels),
                          [&](int64_t i, int) { block(wkv, args.outputs[0], args.out<float>(1), i); });
}

void wkv_grad_cpu(const KernelArgs& args) {
  WkvGrad grad;
  grad.wkv = wkv_of(args, 1, 6);
  grad.dy = args.inputs[0];
  grad.states = args.in<float>(5);
  grad.dk = args.outputs[0];
  grad.dv = args.outputs[1];
  grad.dtime_decay = args.out<float>(2);
  grad.dtime_first = args.out<float>(3);
  const auto block = TIDEMARK_SIMD(wkv_grad_block);
  const int64_t thread_floats = cpu::wkv_grad_workspace(grad.wkv.channels, grad.wkv.chunk_rows, 1) / 4;
  args.pool->parallel_for(cpu::scan_blocks(grad.wkv.channels), [&](int64_t i, int thread) {
    block(grad, i, static_cast<float*>(args.workspace) + thread * thread_floats);
  });
}

}  // namespace tidemark::ops
