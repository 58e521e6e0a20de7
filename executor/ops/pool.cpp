#include "executor/ops/pool.h"

#include "executor/ops/all.h"
#include "executor/ops/operands.h"

namespace tidemark::ops {
namespace {

using Sequence = void (*)(const Pool&, const void*, void*, int64_t);

void each_sequence(const KernelArgs& args, Sequence sequence) {
  Pool p;
  p.bf16 = is_bf16(args.op.in(0));
  p.mean = args.op.attributes().text("mode") == "mean";
  p.columns = columns_of(args.op.in(0));
  p.cu_seqlens = args.in<int32_t>(1);
  args.pool->parallel_for(rows_of(args.op.in(1)) - 1,
                          [&](int64_t i, int) { sequence(p, args.inputs[0], args.outputs[0], i); });
}

}  // namespace

void pool_cpu(const KernelArgs& args) {
  each_sequence(args, TIDEMARK_SIMD(pool_sequence));
}

void pool_grad_cpu(const KernelArgs& args) {
  each_sequence(args, TIDEMARK_SIMD(pool_grad_sequence));
}

}  // namespace tidemark::ops
