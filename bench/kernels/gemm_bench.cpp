// Matrix products at the shapes of a small Llama's training step (256 wide, 1024 tokens, 8192 words), and of
// a small Transformer's (128 wide). Cut as for two threads, but all on one: rates are per second of its CPU
// time, so that a busy machine matters less.
#include <benchmark/benchmark.h>

#include <vector>

#include "executor/cpu/gemm.h"

namespace tidemark::bench {
namespace {

enum Form : int64_t { kForward, kGradInput, kGradWeight };

void product(benchmark::State& state) {
  const int64_t m = state.range(0), n = state.range(1), k = state.range(2);
  const auto form = static_cast<Form>(state.range(3));
  const bool bf16 = state.range(4) != 0;
  const size_t item = bf16 ? 2 : 4;
  std::vector<std::byte> a(static_cast<size_t>(m * (k + 16)) * item), b(static_cast<size_t>(k * n) * item),
      c(static_cast<size_t>(m * n) * item);
  cpu::Gemm g;
  g.m = m;
  g.n = n;
  g.k = k;
  g.a = a.data();
  g.b = b.data();
  g.c = c.data();
  g.a_bf16 = g.b_bf16 = g.c_bf16 = bf16;
  g.a_transposed = form == kGradWeight;
  g.b_transposed = form == kForward;
  g.lda = g.a_transposed ? m : k + (k == 8192 ? 16 : 0);  // as the loss lays out its logits
  g.ldb = g.b_transposed ? k : n;
  g.ldc = n;
  const cpu::GemmTiles tiles = cpu::tiles_of(g, 2);
  std::vector<std::byte> scratch(static_cast<size_t>(tiles.thread_bytes));
  for (auto _ : state) {
    for (int64_t task = 0; task < tiles.rows * tiles.columns; ++task)
      cpu::gemm_task(g, tiles, task, scratch.data());
    benchmark::ClobberMemory();
  }
  state.counters["FLOP/s"] =
      benchmark::Counter(2.0 * static_cast<double>(m * n * k), benchmark::Counter::kIsIterationInvariantRate);
  state.SetLabel(std::string(cpu::isa_name()));
}

void shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"m", "n", "k", "form", "bf16"});
  for (int64_t bf16 : {0, 1}) {
    for (auto [m, n, k] : {std::array<int64_t, 3>{1024, 256, 256},
                           {1024, 704, 256},
                           {1024, 256, 704},
                           {1024, 128, 128},
                           {1024, 512, 128},
                           {1024, 128, 512}}) {
      b->Args({m, n, k, kForward, bf16});
      b->Args({m, k, n, kGradInput, bf16});
      b->Args({n, k, m, kGradWeight, bf16});
    }
    for (int64_t chunk : {128, 256, 512}) {
      b->Args({chunk, 8192, 256, kForward, bf16});
      b->Args({chunk, 256, 8192, kGradInput, bf16});
      b->Args({8192, 256, chunk, kGradWeight, bf16});
    }
  }
}
BENCHMARK(product)->Apply(shapes);

}  // namespace
}  // namespace tidemark::bench
