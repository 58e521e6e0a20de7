#include "executor/ops/long_convolution.h"

#include <cmath>
#include <numbers>

#include "base/error.h"
#include "executor/ops/all.h"
#include "executor/ops/operands.h"
#include "graph/state_space_workspace.h"

namespace tidemark::ops {
namespace {

void fill_tables(const FftTables& tables) {
  const auto set = [](float* at, double angle) {
    at[0] = static_cast<float>(std::cos(angle));
    at[1] = static_cast<float>(std::sin(angle));
  };
  for (int64_t k = 0; k < tables.points; ++k) {
    const double turn = static_cast<double>(k) / static_cast<double>(tables.points) * std::numbers::pi;
    set(tables.roots + 2 * k, -2 * turn);
    set(tables.weights + 2 * k, turn / 2);
  }
}

/// u, kernel and cu_seqlens are inputs `first` and the following.
LongConvolution convolution_of(const KernelArgs& args, int first) {
  LongConvolution c;
  c.bf16 = is_bf16(args.op.in(first));
  c.channels = columns_of(args.op.in(first));
  c.length = columns_of(args.op.in(first + 1));
  c.u = args.inputs[static_cast<size_t>(first)];
  c.kernel = args.in<float>(first + 1);
  c.cu_seqlens = args.in<int32_t>(first + 2);
  c.sequences = rows_of(args.op.in(first + 2)) - 1;
  for (int64_t s = 0; s < c.sequences; ++s)
    if (c.cu_seqlens[s + 1] - c.cu_seqlens[s] > c.length)
      throw Error("cannot run", args.op.op().name,
                  "sequence " + std::to_string(s) + " has " +
                      std::to_string(c.cu_seqlens[s + 1] - c.cu_seqlens[s]) + " steps, the kernel " +
                      std::to_string(c.length),
                  "allow longer sequences");
  auto* const tables = static_cast<float*>(args.workspace);
  c.tables.points = cpu::fft_space(c.length, false).points;
  c.tables.roots = tables;
  c.tables.weights = tables + 2 * c.tables.points;
  fill_tables(c.tables);
  return c;
}

template <typename F>
void each_block(const KernelArgs& args, const LongConvolution& c, bool gradient, F&& fn) {
  const cpu::FftSpace space = cpu::fft_space(c.length, gradient);
  float* const scratch = static_cast<float*>(args.workspace) + space.tables;
  args.pool->parallel_for(cpu::fft_blocks(c.channels),
                          [&](int64_t block, int thread) { fn(block, scratch + thread * space.thread); });
}

}  // namespace

void long_convolution_cpu(const KernelArgs& args) {
  const LongConvolution c = convolution_of(args, 0);
  const auto block = TIDEMARK_SIMD(long_convolution_block);
  each_block(args, c, false, [&](int64_t i, float* scratch) { block(c, args.outputs[0], i, scratch); });
}

void long_convolution_grad_cpu(const KernelArgs& args) {
  LongConvolutionGrad g;
  g.convolution = convolution_of(args, 1);
  g.dy = args.inputs[0];
  g.du_acc = args.op.has_in(4) ? args.inputs[4] : nullptr;
  g.du = args.outputs[0];
  g.dkernel = args.out<float>(1);
  const auto block = TIDEMARK_SIMD(long_convolution_grad_block);
  each_block(args, g.convolution, true, [&](int64_t i, float* scratch) { block(g, i, scratch); });
}

}  // namespace tidemark::ops
