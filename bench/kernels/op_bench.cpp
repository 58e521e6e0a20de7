// Kernels of single ops. Rates are per second of the calling thread's CPU time.
#include <benchmark/benchmark.h>

#include <cstring>
#include <map>
#include <vector>

#include "executor/cpu/thread_pool.h"
#include "executor/kernel.h"

namespace tidemark::bench {
namespace {

/// Runs one op over and over on operands of small random numbers.
void run_op(benchmark::State& state, const std::string& kind, const std::vector<TensorType>& inputs,
            const Attributes& attributes) {
  Graph graph;
  std::vector<ValueId> ids;
  std::vector<std::vector<float>> memory;
  const auto allocate = [&](const TensorType& type) -> void* {
    memory.emplace_back(static_cast<size_t>(type.bytes() / 4 + 16));
    for (size_t i = 0; i < memory.back().size(); ++i) {
      const float x = type.dtype == DType::f32 ? 1e-3f * static_cast<float>(i % 1009) - 0.5f : 0.0f;
      const auto id = static_cast<int32_t>(i % 61);
      std::memcpy(&memory.back()[i], type.dtype == DType::i32 ? static_cast<const void*>(&id) : &x, 4);
    }
    return memory.back().data();
  };
  for (const TensorType& type : inputs)
    ids.push_back(type.shape.rank() == 0
                      ? kNone
                      : graph.add_source("in" + std::to_string(ids.size()), type, Category::input));
  const Op op = graph.op(graph.add_op({kind, "op", ids, attributes}));
  ThreadPool pool(1);
  KernelArgs args{OpView(graph, op), {}, {}, nullptr, 0, &pool};
  for (const TensorType& type : inputs)
    args.inputs.push_back(type.shape.rank() == 0 ? nullptr : allocate(type));
  for (size_t i = 0; i < op.outputs.size(); ++i) {
    void* shared = nullptr;
    for (const Alias& alias : op.def->aliases)
      if (alias.required && alias.out == static_cast<int>(i) && args.op.has_in(alias.in))
        shared = args.inputs[static_cast<size_t>(alias.in)];
    const bool wanted = op.outputs[i] != kNone;
    args.outputs.push_back(!wanted || shared ? shared : allocate(args.op.out(static_cast<int>(i))));
  }
  if (op.def->workspace) {
    args.workspace_bytes = op.def->workspace(args.op, {1});
    memory.emplace_back(static_cast<size_t>(args.workspace_bytes / 4 + 16));
    args.workspace = memory.back().data();
  }
  const Kernel kernel = find_cpu_kernel(kind);
  for (auto _ : state) {
    kernel(args);
    benchmark::ClobberMemory();
  }
  const Work work = op.def->work(args.op);
  state.counters["FLOP/s"] = benchmark::Counter(work.flops, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["B/s"] = benchmark::Counter(work.bytes, benchmark::Counter::kIsIterationInvariantRate);
}

TensorType f32(Shape shape) {
  return {DType::f32, shape};
}
TensorType i32(int64_t n) {
  return {DType::i32, {n}};
}

constexpr int64_t kTokens = 1024, kWidth = 256, kInner = 704, kVocabulary = 8192, kPairs = 16;
const Shape kRows{kTokens, kWidth}, kInnerRows{kTokens, kInner}, kTable{kVocabulary, kWidth};
const Attributes kNoAttributes;
const Attributes kAdamW = {{"beta1", 0.9},        {"beta2", 0.95},    {"epsilon", 1e-8},
                           {"weight_decay", 0.1}, {"clip_norm", 1.0}, {"learning_rate_scale", 1.0}};

BENCHMARK_CAPTURE(run_op, embedding, "embedding", {i32(kTokens), f32(kTable)}, kNoAttributes);
BENCHMARK_CAPTURE(run_op, embedding_grad, "embedding_grad", {i32(kTokens), f32(kRows)},
                  Attributes{{"vocabulary", kVocabulary}});
BENCHMARK_CAPTURE(run_op, rms_norm, "rms_norm", {f32(kRows), f32({kWidth})}, Attributes{{"epsilon", 1e-5}});
BENCHMARK_CAPTURE(run_op, rms_norm_grad, "rms_norm_grad",
                  {f32(kRows), f32(kRows), f32({kWidth}), f32({kTokens}), f32(kRows)},
                  Attributes{{"epsilon", 1e-5}});
BENCHMARK_CAPTURE(run_op, rope_table, "rope_table", {i32(kTokens)},
                  Attributes{{"frequencies", std::vector<double>(kPairs, 0.37)}, {"scale", 1.0}});
BENCHMARK_CAPTURE(run_op, rope, "rope", {f32(kRows), f32({kTokens, 2 * kPairs})},
                  Attributes{{"heads", int64_t{8}}, {"inverse", false}});
BENCHMARK_CAPTURE(run_op, swiglu, "swiglu", {f32(kInnerRows), f32(kInnerRows)}, kNoAttributes);
BENCHMARK_CAPTURE(run_op, swiglu_grad, "swiglu_grad", {f32(kInnerRows), f32(kInnerRows), f32(kInnerRows)},
                  kNoAttributes);
BENCHMARK_CAPTURE(run_op, dropout, "dropout", {f32(kRows), i32(2)},
                  Attributes{{"probability", 0.1}, {"site", int64_t{1}}});
BENCHMARK_CAPTURE(run_op, column_sum, "column_sum", {f32({kTokens, 1024})}, kNoAttributes);
BENCHMARK_CAPTURE(run_op, linear_cross_entropy_grad, "linear_cross_entropy_grad",
                  {f32(kRows), f32(kTable), i32(kTokens)},
                  Attributes{{"chunk_rows", int64_t{128}}, {"grad_scale", 1.0}});
BENCHMARK_CAPTURE(run_op, grad_norm, "grad_norm", {f32(kTable), f32({kInner, kWidth})}, kNoAttributes);
BENCHMARK_CAPTURE(run_op, adamw, "adamw", {f32(kTable), f32(kTable), f32(kTable), f32(kTable), f32({4})},
                  kAdamW);

}  // namespace
}  // namespace tidemark::bench
