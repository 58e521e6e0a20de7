// Attention beside what it must not be slower than: the same products with the scores held in memory.
#include <cmath>

#include "bench/kernels/run_op.h"
#include "bench/kernels/softmax.h"
#include "executor/cpu/gemm.h"
#include "executor/cpu/thread_pool.h"
#include "graph/cpu_workspace.h"

namespace tidemark::bench {
namespace {

void attention(benchmark::State& state, bool gradient) {
  const int64_t sequences = state.range(0), length = state.range(1), heads = state.range(2),
                kv_heads = state.range(3), dim = state.range(4);
  const bool causal = state.range(5) != 0;
  const int threads = static_cast<int>(state.range(6));
  const int64_t tokens = sequences * length;
  std::vector<int32_t> cu;
  for (int64_t s = 0; s <= sequences; ++s) cu.push_back(static_cast<int32_t>(s * length));
  const Input q = f32({tokens, heads * dim}), kv = f32({tokens, kv_heads * dim});
  const Attributes attributes{{"heads", heads},
                              {"kv_heads", kv_heads},
                              {"causal", causal},
                              {"scale", 1 / std::sqrt(static_cast<double>(dim))},
                              {"typical_length", static_cast<double>(length)}};
  if (gradient)
    run_op(state, "attention_grad", {q, q, kv, kv, q, f32({heads, tokens}), integers(cu)}, attributes,
           threads);
  else
    run_op(state, "attention", {q, kv, kv, integers(cu)}, attributes, threads);
}

void shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"sequences", "length", "heads", "kv_heads", "dim", "causal", "threads"});
  for (int64_t threads : {1, 2}) {
    b->Args({4, 256, 8, 8, 32, 1, threads});  // a small Llama
    b->Args({1, 2048, 8, 2, 64, 1, threads});
    b->Args({1, 2048, 2, 1, 128, 1, threads});
    b->Args({16, 64, 4, 4, 64, 0, threads});
  }
}
/// The forward pass with a head's scores in memory: product, softmax, product. Lengths of 16 n.
void materialised(benchmark::State& state) {
  const int64_t sequences = state.range(0), length = state.range(1), heads = state.range(2),
                kv_heads = state.range(3), dim = state.range(4);
  const bool causal = state.range(5) != 0;
  const int threads = static_cast<int>(state.range(6));
  const auto matrix = [&](int64_t columns) {
    return std::vector<float>(static_cast<size_t>(sequences * length * columns), 0.1f);
  };
  const std::vector<float> q = matrix(heads * dim), k = matrix(kv_heads * dim), v = k;
  std::vector<float> o = matrix(heads * dim), scores(static_cast<size_t>(length * length));
  ThreadPool pool(threads);
  const auto scratch = [&](int64_t n, int64_t k_size, int64_t lda) {
    return cpu::gemm_scratch(length, n, k_size, cpu::gemm_copies_a(false, false, lda), false, threads);
  };
  std::vector<std::byte> workspace(
      static_cast<size_t>(std::max(scratch(length, dim, heads * dim), scratch(dim, length, length))));
  cpu::Gemm qk, pv;
  qk.m = qk.n = pv.m = pv.k = length;
  qk.k = pv.n = dim;
  qk.lda = pv.ldc = heads * dim;
  qk.ldb = pv.ldb = kv_heads * dim;
  qk.b_transposed = true;
  qk.ldc = pv.lda = length;
  qk.c = scores.data();
  pv.a = scores.data();
  for (auto _ : state) {
    for (int64_t s = 0; s < sequences; ++s)
      for (int64_t head = 0; head < heads; ++head) {
        const int64_t q_at = (s * length * heads + head) * dim;
        const int64_t kv_at = (s * length * kv_heads + head * kv_heads / heads) * dim;
        qk.a = q.data() + q_at;
        qk.b = k.data() + kv_at;
        pv.b = v.data() + kv_at;
        pv.c = o.data() + q_at;
        cpu::gemm(qk, workspace.data(), &pool);
        TIDEMARK_SIMD(softmax_rows)
        (scores.data(), length, length, causal, 1 / std::sqrt(static_cast<float>(dim)));
        cpu::gemm(pv, workspace.data(), &pool);
      }
    benchmark::ClobberMemory();
  }
}

void one_thread(benchmark::internal::Benchmark* b) {
  b->ArgNames({"sequences", "length", "heads", "kv_heads", "dim", "causal", "threads"});
  b->Args({4, 256, 8, 8, 32, 1, 1});
  b->Args({1, 2048, 8, 2, 64, 1, 1});
  b->Args({1, 2048, 2, 1, 128, 0, 1});
  b->Args({16, 64, 4, 4, 64, 0, 1});
}
BENCHMARK(materialised)->Apply(one_thread);
BENCHMARK_CAPTURE(attention, beside_materialised, false)->Apply(one_thread);
BENCHMARK_CAPTURE(attention, forward, false)->Apply(shapes);
BENCHMARK_CAPTURE(attention, gradient, true)->Apply(shapes);

}  // namespace
}  // namespace tidemark::bench
