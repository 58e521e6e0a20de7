#include "executor/ops/all.h"
#include "executor/ops/operands.h"
#include "executor/ops/wkv7.h"
#include "executor/ops/wkv7_output.h"
#include "graph/state_space_workspace.h"

namespace tidemark::ops {
namespace {

const void* optional_input(const KernelArgs& args, int i) {
  return args.op.has_in(i) ? args.inputs[static_cast<size_t>(i)] : nullptr;
}

/// r, w, k, v, a, k_k and k_a are inputs `first` and the following.
Wkv7 wkv7_of(const KernelArgs& args, int first, int cu_seqlens, bool gradient) {
  const TensorType& r = args.op.in(first);
  const Attributes& attributes = args.op.attributes();
  const int64_t heads = attributes.integer("heads");
  Wkv7 s;
  s.bf16 = is_bf16(r);
  s.rows = rows_of(r);
  s.shape = {heads, columns_of(r) / heads, std::min(s.rows, attributes.integer("chunk_rows"))};
  s.space = cpu::wkv7_space(s.shape, gradient);
  const void** const operands[] = {&s.r, &s.w, &s.k, &s.v, &s.a, &s.k_k, &s.k_a};
  for (size_t i = 0; i < std::size(operands); ++i) *operands[i] = args.inputs[static_cast<size_t>(first) + i];
  s.sequences = sequences_of(args, cu_seqlens);
  return s;
}

/// y, r, k, v, a, g, k_a and r_k are inputs `first` and the following.
Wkv7Output output_of(const KernelArgs& args, size_t first) {
  const TensorType& y = args.op.in(static_cast<int>(first));
  Wkv7Output o;
  o.bf16 = is_bf16(y);
  o.rows = rows_of(y);
  o.heads = args.op.attributes().integer("heads");
  o.head_columns = columns_of(y) / o.heads;
  const void** const operands[] = {&o.y, &o.r, &o.k, &o.v, &o.a, &o.g, &o.k_a, &o.r_k};
  for (size_t i = 0; i < std::size(operands); ++i) *operands[i] = args.inputs[first + i];
  return o;
}

}  // namespace

void wkv7_cpu(const KernelArgs& args) {
  const Wkv7 wkv = wkv7_of(args, 0, 7, false);
  const auto run = TIDEMARK_SIMD(wkv7_head);
  args.pool->parallel_for(wkv.shape.heads, [&](int64_t head, int thread) {
    run(wkv, head, args.outputs[0], args.out<float>(1),
        static_cast<float*>(args.workspace) + thread * wkv.space.thread);
  });
}

void wkv7_grad_cpu(const KernelArgs& args) {
  Wkv7Grad g;
  g.wkv = wkv7_of(args, 1, 9, true);
  g.dy = args.inputs[0];
  g.states = args.in<float>(8);
  g.dr_acc = optional_input(args, 10);
  g.dk_acc = optional_input(args, 11);
  g.dv_acc = optional_input(args, 12);
  g.da_acc = optional_input(args, 13);
  void** const results[] = {&g.dr, &g.dw, &g.dk, &g.dv, &g.da, &g.dk_k, &g.dk_a};
  for (size_t i = 0; i < std::size(results); ++i) *results[i] = args.outputs[i];
  const auto run = TIDEMARK_SIMD(wkv7_grad_head);
  args.pool->parallel_for(g.wkv.shape.heads, [&](int64_t head, int thread) {
    run(g, head, static_cast<float*>(args.workspace) + thread * g.wkv.space.thread);
  });
}

void wkv7_output_cpu(const KernelArgs& args) {
  const Wkv7Output output = output_of(args, 0);
  const auto rows = TIDEMARK_SIMD(wkv7_output_rows);
  parallel_rows(args.pool, output.rows, output.heads * output.head_columns,
                [&](int64_t begin, int64_t end) { rows(output, args.outputs[0], begin, end); });
}

void wkv7_output_grad_cpu(const KernelArgs& args) {
  Wkv7OutputGrad g;
  g.output = output_of(args, 1);
  g.dout = args.inputs[0];
  void** const results[] = {&g.dy, &g.dr, &g.dk, &g.dv, &g.da, &g.dg, &g.dk_a, &g.dr_k};
  for (size_t i = 0; i < std::size(results); ++i) *results[i] = args.outputs[i];
  const auto run = TIDEMARK_SIMD(wkv7_output_grad_head);
  const int64_t thread_floats = cpu::wkv7_output_grad_workspace(g.output.heads, g.output.head_columns, 1) / 4;
  args.pool->parallel_for(g.output.heads, [&](int64_t head, int thread) {
    run(g, head, static_cast<float*>(args.workspace) + thread * thread_floats);
  });
}

}  // namespace tidemark::ops
