// Attention beside what it must not be slower than: the op that holds every probability in memory.
#include <cmath>

#include "bench/kernels/run_op.h"

namespace tidemark::bench {
namespace {

enum class Form { tiled, eager };

void attention(benchmark::State& state, Form form, bool gradient) {
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
                              {"length", length}};
  if (form == Form::eager) {
    if (gradient)
      run_op(state, "eager_attention_grad", {q, q, kv, kv, f32({tokens * heads, length})}, attributes,
             threads);
    else
      run_op(state, "eager_attention", {q, kv, kv}, attributes, threads);
    return;
  }
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
void one_thread(benchmark::internal::Benchmark* b) {
  b->ArgNames({"sequences", "length", "heads", "kv_heads", "dim", "causal", "threads"});
  b->Args({4, 256, 8, 8, 32, 1, 1});
  b->Args({1, 2048, 8, 2, 64, 1, 1});
  b->Args({1, 2048, 2, 1, 128, 0, 1});
  b->Args({16, 64, 4, 4, 64, 0, 1});
}
BENCHMARK_CAPTURE(attention, eager, Form::eager, false)->Apply(one_thread);
BENCHMARK_CAPTURE(attention, beside_eager, Form::tiled, false)->Apply(one_thread);
BENCHMARK_CAPTURE(attention, eager_gradient, Form::eager, true)->Apply(one_thread);
BENCHMARK_CAPTURE(attention, gradient_beside_eager, Form::tiled, true)->Apply(one_thread);
BENCHMARK_CAPTURE(attention, forward, Form::tiled, false)->Apply(shapes);
BENCHMARK_CAPTURE(attention, gradient, Form::tiled, true)->Apply(shapes);

}  // namespace
}  // namespace tidemark::bench
