#include "executor/ops/selective_scan.h"

#include "executor/ops/all.h"
#include "executor/ops/operands.h"
#include "graph/state_space_workspace.h"

namespace tidemark::ops {
namespace {

/// u, dt, bc, z, A_log, D, dt_bias are inputs `first` and the following.
SelectiveScan scan_of(const KernelArgs& args, int first, int cu_seqlens) {
  const TensorType& u = args.op.in(first);
  SelectiveScan s;
  s.bf16 = is_bf16(u);
  s.rows = rows_of(u);
  s.channels = columns_of(u);
  s.states = columns_of(args.op.in(first + 4));
  s.chunk_rows = std::min(s.rows, args.op.attributes().integer("chunk_rows"));
  const auto input = [&](int i) { return args.inputs[static_cast<size_t>(first + i)]; };
  s.u = input(0);
  s.dt = input(1);
  s.bc = input(2);
  s.z = first_column(args, input(3), u.dtype);
  s.z_stride = columns_of(args.op.in(first + 3));
  s.a_log = args.in<float>(first + 4);
  s.d = args.in<float>(first + 5);
  s.dt_bias = args.in<float>(first + 6);
  s.sequences = sequences_of(args, cu_seqlens);
  return s;
}

}  // namespace

void selective_scan_cpu(const KernelArgs& args) {
  const SelectiveScan scan = scan_of(args, 0, 7);
  const int64_t thread_floats =
      cpu::selective_scan_workspace(scan.channels, scan.states, scan.chunk_rows, 1) / 4;
  const auto block = TIDEMARK_SIMD(selective_scan_block);
  args.pool->parallel_for(cpu::scan_blocks(scan.channels), [&](int64_t i, int thread) {
    block(scan, args.outputs[0], args.out<float>(1), i,
          static_cast<float*>(args.workspace) + thread * thread_floats);
  });
}

void selective_scan_grad_cpu(const KernelArgs& args) {
  SelectiveScanGrad grad;
  grad.scan = scan_of(args, 1, 9);
  const SelectiveScan& scan = grad.scan;
  if (!args.op.has_in(10)) clear(args, 3);
  grad.dy = args.inputs[0];
  grad.states = args.in<float>(8);
  grad.du = args.outputs[0];
  grad.ddt = args.outputs[1];
  grad.dbc = args.outputs[2];
  grad.dz = first_column(args, args.outputs[3], args.op.in(1).dtype);
  grad.da_log = args.out<float>(4);
  grad.dd = args.out<float>(5);
  grad.ddt_bias = args.out<float>(6);
  const cpu::SelectiveScanSpace space =
      cpu::selective_scan_grad_space(scan.channels, scan.states, scan.chunk_rows);
  grad.state_grad = static_cast<float*>(args.workspace);
  grad.a_grad = grad.state_grad + space.carried;
  grad.partials = grad.a_grad + space.carried;
  float* const scratch = grad.partials + space.partials;

  const auto block = TIDEMARK_SIMD(selective_scan_grad_block);
  const auto sum_bc = TIDEMARK_SIMD(selective_scan_grad_bc);
  for (int64_t chunk = (scan.rows + scan.chunk_rows - 1) / scan.chunk_rows; chunk-- > 0;) {
    args.pool->parallel_for(
        space.blocks, [&](int64_t i, int thread) { block(grad, chunk, i, scratch + thread * space.thread); });
    const int64_t rows = std::min(scan.chunk_rows, scan.rows - chunk * scan.chunk_rows);
    parallel_rows(args.pool, rows, space.blocks * 2 * scan.states, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) sum_bc(grad, chunk, row);
    });
  }
}

}  // namespace tidemark::ops
