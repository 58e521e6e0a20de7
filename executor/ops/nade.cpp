#include "executor/ops/nade.h"

#include "base/error.h"
#include "executor/ops/all.h"
#include "executor/ops/operands.h"
#include "graph/cpu_workspace.h"

namespace tidemark::ops {
namespace {

/// Of inputs x and weight, and the order, which must visit pixels that there are.
NadeShape shape_of(const KernelArgs& args, int x, int order) {
  const TensorType& type = args.op.in(x);
  NadeShape s;
  s.bf16 = is_bf16(type);
  s.function = activation_from(args.op.attributes().text("function"));
  s.rows = rows_of(type);
  s.pixels = columns_of(type);
  s.hidden = rows_of(args.op.in(order + 1));
  s.order = args.in<int32_t>(order);
  check_ids(s.order, s.pixels, s.pixels, 0, "order");
  return s;
}

/// m[rows, pixels] with the pixels first, in their order.
void transpose(const NadeShape& s, const void* m, int64_t rows, float* out, ThreadPool* pool) {
  const auto each = TIDEMARK_SIMD(transpose_ordered);
  constexpr int64_t kLine = 16;  // floats: no two threads write to one cache line
  parallel_ranges(pool, rows, kLine, [&](int64_t begin, int64_t end) {
    each(s.bf16, m, rows, s.pixels, s.order, begin, end, out);
  });
}

}  // namespace

void nade_cpu(const KernelArgs& args) {
  Nade n;
  n.shape = shape_of(args, 0, 1);
  const cpu::NadeSpace space = cpu::nade_space(n.shape.rows, n.shape.pixels, n.shape.hidden);
  auto* const weight = static_cast<float*>(args.workspace);
  transpose(n.shape, args.inputs[2], n.shape.hidden, weight, args.pool);
  n.x = args.inputs[0];
  n.weight = weight;
  n.hidden_bias = args.inputs[3];
  n.output_bias = args.inputs[4];
  n.output_weight = args.op.has_in(5) ? args.inputs[5] : nullptr;
  n.logits = args.outputs[0];
  const auto rows = TIDEMARK_SIMD(nade_rows);
  args.pool->parallel_for(space.tasks, [&](int64_t task, int thread) {
    const int64_t begin = task * cpu::kNadeRows;
    rows(n, begin, std::min(n.shape.rows, begin + cpu::kNadeRows),
         weight + (space.weight_bytes + thread * space.thread_bytes) / 4);
  });
}

// A task per group of hidden units, which depend on each other only through the logits: sums over the rows
// have one writer, and the same order whatever the number of threads.
void nade_grad_cpu(const KernelArgs& args) {
  const auto optional = [&](int i) {
    return args.op.has_in(i) ? args.inputs[static_cast<size_t>(i)] : nullptr;
  };
  NadeGrad g;
  g.shape = shape_of(args, 1, 2);
  const cpu::NadeGradSpace space = cpu::nade_grad_space(g.shape.rows, g.shape.pixels, g.shape.hidden);
  auto* const x = static_cast<float*>(args.workspace);
  float* const dlogits = x + space.pixel_bytes / 4;
  float* const states = dlogits + space.pixel_bytes / 4;
  transpose(g.shape, args.inputs[1], g.shape.rows, x, args.pool);
  transpose(g.shape, args.inputs[0], g.shape.rows, dlogits, args.pool);
  g.x = x;
  g.dlogits = dlogits;
  g.weight = args.inputs[3];
  g.hidden_bias = args.inputs[4];
  g.output_weight = optional(5);
  g.dweight_start = optional(6);
  g.dhidden_bias_start = optional(7);
  g.doutput_weight_start = optional(8);
  g.dweight = args.outputs[0];
  g.dhidden_bias = args.outputs[1];
  g.doutput_weight = args.op.has_out(2) ? args.outputs[2] : nullptr;
  const auto units = TIDEMARK_SIMD(nade_grad_units);
  args.pool->parallel_for(space.tasks, [&](int64_t task, int thread) {
    const int64_t begin = task * cpu::kNadeUnits;
    units(g, begin, std::min(g.shape.hidden, begin + cpu::kNadeUnits),
          states + thread * (space.thread_bytes / 4));
  });
}

}  // namespace tidemark::ops
