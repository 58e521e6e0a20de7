// Kernels of single ops. Rates are per second of the calling thread's CPU time.
#include "bench/kernels/run_op.h"

namespace tidemark::bench {
namespace {

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
BENCHMARK_CAPTURE(run_op, rope_interleaved, "rope", {f32(kRows), f32({kTokens, 2 * kPairs})},
                  Attributes{{"heads", int64_t{8}}, {"inverse", false}, {"interleaved", true}});
BENCHMARK_CAPTURE(run_op, sinusoidal_positions, "sinusoidal_positions", {f32(kRows), i32(kTokens)},
                  Attributes{{"base", 10000.0}});
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
