#include "executor/ops/attention.h"

#include "executor/cpu/thread_pool.h"
#include "executor/ops/all.h"
#include "executor/ops/attention_blocks.h"

namespace tidemark::ops {

void attention_cpu(const KernelArgs& args) {
  Attention a = attention_of(args, 0);
  a.o = args.outputs[0];
  a.lse = args.out<float>(1);
  const Boundaries boundaries = boundaries_of(args, 3);
  const int64_t blocks = query_blocks(a.queries);
  const int64_t scratch = cpu::attention_workspace(a.dim, a.value_dim, 1) / 4;
  const auto attend_block = TIDEMARK_SIMD(attend);
  args.pool->parallel_for(blocks * a.heads, [&](int64_t task, int thread) {
    // The last queries of a sequence see the most keys: the longest tasks first.
    const int64_t block = blocks - 1 - task / a.heads;
    each_sequence(a, boundaries, task % a.heads, block, [&](const QueryBlock& queries) {
      attend_block(a, queries, static_cast<float*>(args.workspace) + thread * scratch);
    });
  });
}

}  // namespace tidemark::ops
