#include "executor/ops/retention.h"

#include "executor/ops/all.h"
#include "executor/ops/operands.h"

namespace tidemark::ops {
namespace {

/// q, k, v are inputs `first` and the following.
Retention retention_of(const KernelArgs& args, int first, int cu_seqlens, bool gradient) {
  const Attributes& attributes = args.op.attributes();
  const TensorType& q = args.op.in(first);
  const std::vector<double>& decays = attributes.numbers("decays");
  const auto heads = static_cast<int64_t>(decays.size());
  Retention r;
  r.bf16 = is_bf16(q);
  r.rows = rows_of(q);
  r.chunk_rows = attributes.integer("chunk_rows");
  r.shape = {heads, columns_of(q) / heads, columns_of(args.op.in(first + 2)) / heads,
             std::min(r.rows, r.chunk_rows)};
  r.space = cpu::retention_space(r.shape, gradient);
  r.decays = decays.data();
  r.scale = static_cast<float>(attributes.number("scale"));
  const auto input = [&](int i) { return args.inputs[static_cast<size_t>(first + i)]; };
  r.q = input(0);
  r.k = input(1);
  r.v = input(2);
  r.sequences = sequences_of(args, cu_seqlens);
  return r;
}

}  // namespace

void retention_cpu(const KernelArgs& args) {
  const Retention r = retention_of(args, 0, 3, false);
  const auto run = TIDEMARK_SIMD(retention_head);
  args.pool->parallel_for(r.shape.heads, [&](int64_t head, int thread) {
    run(r, head, args.outputs[0], args.out<float>(1), args.out<float>(2),
        static_cast<float*>(args.workspace) + thread * r.space.thread);
  });
}

void retention_grad_cpu(const KernelArgs& args) {
  RetentionGrad g;
  g.retention = retention_of(args, 1, 6, true);
  g.dout = args.inputs[0];
  g.normalizer = args.in<float>(4);
  g.states = args.in<float>(5);
  g.dq = args.outputs[0];
  g.dk = args.outputs[1];
  g.dv = args.outputs[2];
  const auto run = TIDEMARK_SIMD(retention_grad_head);
  args.pool->parallel_for(g.retention.shape.heads, [&](int64_t head, int thread) {
    run(g, head, static_cast<float*>(args.workspace) + thread * g.retention.space.thread);
  });
}

}  // namespace tidemark::ops
