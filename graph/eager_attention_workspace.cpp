#include "graph/eager_attention_workspace.h"

#include <algorithm>

#include "graph/cpu_workspace.h"

namespace tidemark::cpu {

EagerAttentionSpace eager_attention_space(int64_t length, int64_t columns, int64_t head_dim, DType dtype,
                                          bool gradient, int threads) {
  const bool bf16 = dtype == DType::bf16;
  // Scores of rows of q (or do), and sums of rows of v (or of k, q or do).
  const auto scores = [&](bool c_bf16) {
    return gemm_scratch(length, length, head_dim, gemm_copies_a(bf16, false, columns), c_bf16, threads);
  };
  const auto sums = [&](bool a_bf16, bool transposed) {
    return gemm_scratch(length, head_dim, length, gemm_copies_a(a_bf16, transposed, length), bf16, threads);
  };
  if (!gradient) return {0, std::max(scores(bf16), sums(bf16, false))};
  return {(4 * length * length + 63) / 64 * 64,
          std::max({scores(false), sums(bf16, true), sums(false, false)})};
}

}  // namespace tidemark::cpu
