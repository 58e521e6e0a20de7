#include <benchmark/benchmark.h>

#include "bench/kernels/peak.h"

namespace tidemark::bench {
namespace {

void peak(benchmark::State& state) {
  double flops = 0;
  float result = 0;
  for (auto _ : state) {
    flops += TIDEMARK_SIMD(multiply_add)(100000, &result);
    benchmark::DoNotOptimize(result);
  }
  state.counters["FLOP/s"] = benchmark::Counter(flops, benchmark::Counter::kIsRate);
  state.SetLabel(std::string(cpu::isa_name()));
}
BENCHMARK(peak);

}  // namespace
}  // namespace tidemark::bench
