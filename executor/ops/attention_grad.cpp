#include <immintrin.h>

#include <atomic>
#include <cstring>
#include <thread>

#include "executor/cpu/thread_pool.h"
#include "executor/ops/all.h"
#include "executor/ops/attention.h"
#include "executor/ops/attention_blocks.h"

// Each product is made once. dq is a query block's own; dk and dv are sums over the queries of all heads
// of a group, so the blocks of a key-value head form a chain: a block adds to a tile of keys once its
// predecessor has. All blocks of a chain run at once, each a tile behind the one before.
namespace tidemark::ops {
namespace {

constexpr int64_t kSumRows = 64;

void wait_for(int32_t& progress, int64_t key) {
  const std::atomic_ref<int32_t> done(progress);
  for (int spins = 0; done.load(std::memory_order_acquire) < key; ++spins) {
    if (spins < 1000)
      _mm_pause();
    else
      std::this_thread::yield();
  }
}

void publish(int32_t& progress, int64_t key) {
  std::atomic_ref<int32_t>(progress).store(static_cast<int32_t>(key), std::memory_order_release);
}

}  // namespace

void attention_grad_cpu(const KernelArgs& args) {
  AttentionGrad g;
  g.forward = attention_of(args, 1);
  const Attention& a = g.forward;
  g.d_o = args.inputs[0];
  g.forward.o = args.inputs[4];
  g.forward.lse = static_cast<float*>(args.inputs[5]);
  g.dq = args.outputs[0];
  const Boundaries boundaries = boundaries_of(args, 6);

  const cpu::AttentionGradSpace space = cpu::attention_grad_space(a.queries, a.keys, a.heads, a.kv_heads,
                                                                  a.dim, a.value_dim, args.op.in(1).dtype);
  auto* const workspace = static_cast<std::byte*>(args.workspace);
  auto* const progress = reinterpret_cast<int32_t*>(workspace);
  auto* const sums = workspace + space.progress_bytes;
  auto* const scratch = sums + space.dk_bytes + space.dv_bytes;
  g.dk = a.bf16 ? reinterpret_cast<float*>(sums) : args.out<float>(1);
  g.dv = a.bf16 ? reinterpret_cast<float*>(sums + space.dk_bytes) : args.out<float>(2);

  const int64_t blocks = query_blocks(a.queries), sums_tasks = (a.keys + kSumRows - 1) / kSumRows;
  // Of dk or dv, with so many columns: fn(first element, elements).
  const auto sums_part = [&](int64_t task, int64_t columns, auto&& fn) {
    const int64_t begin = task * kSumRows * columns;
    fn(begin, std::min(begin + kSumRows * columns, a.keys * columns) - begin);
  };
  std::memset(progress, 0, static_cast<size_t>(space.progress_bytes));
  args.pool->parallel_for(sums_tasks, [&](int64_t task, int) {
    sums_part(task, a.k_columns(), [&](int64_t begin, int64_t n) {
      std::memset(g.dk + begin, 0, static_cast<size_t>(n) * sizeof(float));
    });
    sums_part(task, a.v_columns(), [&](int64_t begin, int64_t n) {
      std::memset(g.dv + begin, 0, static_cast<size_t>(n) * sizeof(float));
    });
  });

  const auto begin = TIDEMARK_SIMD(attention_grad_begin);
  const auto add = TIDEMARK_SIMD(attention_grad_add);
  const auto end = TIDEMARK_SIMD(attention_grad_end);
  const int64_t group = a.heads / a.kv_heads;
  // Tasks beside each other are of different chains; a task's predecessor is always picked before it.
  args.pool->parallel_for(blocks * a.heads, [&](int64_t task, int thread) {
    auto* const own = reinterpret_cast<float*>(scratch + thread * space.thread_bytes);
    const int64_t link = task / a.kv_heads, head = task % a.kv_heads * group + link % group;
    each_sequence(a, boundaries, head, link / group, [&](const QueryBlock& queries) {
      begin(g, queries, own);
      const Rows all = queries.keys(a.causal);
      for (int64_t key = all.begin; key < all.end; key += cpu::kAttentionBlock) {
        const Rows keys{key, std::min(key + cpu::kAttentionBlock, all.end)};
        if (link > 0) wait_for(progress[task - a.kv_heads], keys.end);
        add(g, queries, keys, own);
        publish(progress[task], keys.end);
      }
      end(g, queries, own);
    });
    publish(progress[task], a.keys);
  });

  if (!a.bf16) return;
  const auto round = TIDEMARK_SIMD(round_to_bf16);
  args.pool->parallel_for(sums_tasks, [&](int64_t task, int) {
    sums_part(task, a.k_columns(),
              [&](int64_t from, int64_t n) { round(g.dk + from, args.out<Bf16>(1) + from, n); });
    sums_part(task, a.v_columns(),
              [&](int64_t from, int64_t n) { round(g.dv + from, args.out<Bf16>(2) + from, n); });
  });
}

}  // namespace tidemark::ops
