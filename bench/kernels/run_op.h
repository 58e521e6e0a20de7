// One op's kernel, over and over.
#pragma once

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "graph/op_def.h"

namespace tidemark::bench {

/// An input: small random numbers, or the given integers. A type of rank 0: absent.
struct Input {
  TensorType type;
  std::vector<int32_t> integers = {};
};
Input f32(Shape shape);
Input bf16(Shape shape);
Input i32(int64_t n);
Input integers(std::vector<int32_t> values);

/// Rates are per second of the calling thread's CPU time.
void run_op(benchmark::State& state, const std::string& kind, const std::vector<Input>& inputs,
            const Attributes& attributes, int threads = 1);

}  // namespace tidemark::bench
