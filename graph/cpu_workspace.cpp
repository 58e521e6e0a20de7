#include "graph/cpu_workspace.h"

#include <algorithm>

namespace tidemark::cpu {
namespace {

int64_t rounded(int64_t bytes) {
  return (bytes + 63) / 64 * 64;
}

}  // namespace

int64_t gemm_workspace(const GemmShape& s, int threads) {
  const int64_t k = std::min<int64_t>(s.k, 256), n = std::min<int64_t>((s.n + 31) / 32 * 32, 256);
  const int64_t a = s.a_transposed || s.dtype == DType::bf16 ? std::min<int64_t>(s.m, 256) * k : 0;
  const int64_t c = s.dtype == DType::bf16 ? std::min<int64_t>(s.m, 256) * n : 0;
  return rounded((k * n + a + c) * 4) * threads;
}
int64_t rms_norm_grad_workspace(int64_t tokens, int64_t columns, int) {
  return rounded((tokens + 127) / 128 * columns * 4);
}
int64_t column_sum_workspace(int64_t tokens, int64_t columns, int) {
  return rounded((tokens + 127) / 128 * columns * 4);
}
int64_t attention_workspace(int64_t head_dim, DType, int threads) {
  return rounded(64 * (4 * head_dim + 64) * 4) * threads;
}
int64_t attention_grad_workspace(int64_t tokens, int64_t head_dim, DType, int threads) {
  return rounded((tokens + 64 * 8) * head_dim * 4) * threads;
}
int64_t cross_entropy_chunk_rows(int64_t tokens, int64_t vocabulary) {
  return std::clamp<int64_t>((1 << 20) / vocabulary, 1, tokens);
}
int64_t cross_entropy_workspace(int64_t, int64_t hidden, int64_t vocabulary, int64_t chunk_rows, DType dtype,
                                bool, int threads) {
  return rounded(chunk_rows * vocabulary * 4) +
         gemm_workspace({vocabulary, hidden, chunk_rows, dtype, true}, threads);
}
int64_t recurrent_workspace(int64_t hidden, int gates, int64_t, DType, int) {
  return rounded(hidden * hidden * gates * 4);
}
int64_t recurrent_grad_workspace(int64_t hidden, int gates, int64_t max_batch, DType, int) {
  return rounded(hidden * hidden * gates * 4 + max_batch * hidden * 8);
}
int64_t recurrent_weight_grad_workspace(int64_t tokens, int64_t gate_columns, int64_t hidden, DType dtype,
                                        int threads) {
  return rounded(tokens * hidden * 4) + gemm_workspace({gate_columns, hidden, tokens, dtype, true}, threads);
}
int64_t grad_norm_workspace(int64_t total_elements) {
  return rounded((total_elements + 4095) / 4096 * 4 + 64);
}

}  // namespace tidemark::cpu
