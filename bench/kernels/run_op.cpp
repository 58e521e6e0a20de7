#include "bench/kernels/run_op.h"

#include <algorithm>
#include <cstring>

#include "executor/cpu/isa.h"
#include "executor/cpu/thread_pool.h"
#include "executor/kernel.h"

namespace tidemark::bench {
namespace {

/// Operands as 64-byte aligned memory, as in an arena.
class Memory {
 public:
  void* allocate(int64_t bytes) {
    blocks_.emplace_back(static_cast<size_t>(bytes + 128));
    const auto address = reinterpret_cast<uintptr_t>(blocks_.back().data());
    return blocks_.back().data() + (64 - address % 64) % 64;
  }
  void* fill(const Input& input) {
    void* const data = allocate(input.type.bytes());
    const int64_t n = input.type.shape.elements();
    for (int64_t i = 0; i < n; ++i) {
      const float x = 1e-3f * static_cast<float>((i * 7919) % 1009) - 0.5f;
      const auto id = static_cast<int32_t>(i % 61);
      uint16_t half[2];
      std::memcpy(half, &x, 4);
      if (input.type.dtype == DType::f32) std::memcpy(static_cast<float*>(data) + i, &x, 4);
      if (input.type.dtype == DType::i32) std::memcpy(static_cast<int32_t*>(data) + i, &id, 4);
      if (input.type.dtype == DType::bf16) static_cast<uint16_t*>(data)[i] = half[1];
    }
    std::copy(input.integers.begin(), input.integers.end(), static_cast<int32_t*>(data));
    return data;
  }

 private:
  std::vector<std::vector<std::byte>> blocks_;
};

}  // namespace

Input f32(Shape shape) {
  return {{DType::f32, shape}};
}
Input bf16(Shape shape) {
  return {{DType::bf16, shape}};
}
Input i32(int64_t n) {
  return {{DType::i32, {n}}};
}
Input integers(std::vector<int32_t> values) {
  const auto n = static_cast<int64_t>(values.size());
  return {{DType::i32, {n}}, std::move(values)};
}

void run_op(benchmark::State& state, const std::string& kind, const std::vector<Input>& inputs,
            const Attributes& attributes, int threads) {
  Graph graph;
  std::vector<ValueId> ids;
  for (const Input& input : inputs)
    ids.push_back(input.type.shape.rank() == 0
                      ? kNone
                      : graph.add_source("in" + std::to_string(ids.size()), input.type, Category::input));
  const Op op = graph.op(graph.add_op({kind, "op", ids, attributes}));
  ThreadPool pool(threads);
  Memory memory;
  KernelArgs args{OpView(graph, op), {}, {}, nullptr, 0, &pool};
  for (const Input& input : inputs)
    args.inputs.push_back(input.type.shape.rank() == 0 ? nullptr : memory.fill(input));
  for (size_t i = 0; i < op.outputs.size(); ++i) {
    const int out = static_cast<int>(i);
    void* shared = nullptr;
    for (const Alias& alias : op.def->aliases)
      if (alias.required && alias.out == out && args.op.has_in(alias.in))
        shared = args.inputs[static_cast<size_t>(alias.in)];
    args.outputs.push_back(!args.op.has_out(out) || shared ? shared
                                                           : memory.allocate(args.op.out(out).bytes()));
  }
  if (op.def->workspace) {
    args.workspace_bytes = op.def->workspace(args.op, {threads});
    args.workspace = memory.allocate(args.workspace_bytes);
  }
  const Kernel kernel = find_cpu_kernel(kind);
  for (auto _ : state) {
    kernel(args);
    benchmark::ClobberMemory();
  }
  const Work work = op.def->work(args.op);
  state.counters["FLOP/s"] = benchmark::Counter(work.flops, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["B/s"] = benchmark::Counter(work.bytes, benchmark::Counter::kIsIterationInvariantRate);
  state.SetLabel(std::string(cpu::isa_name()));
}

}  // namespace tidemark::bench
