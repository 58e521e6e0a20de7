// Scratch memory of eager_attention's CPU kernels: their op's workspace, and where in it things are.
#pragma once

#include <cstdint>

#include "graph/types.h"

namespace tidemark::cpu {

/// Going back a head's dp, which becomes ds; then what its products need, one after the other.
struct EagerAttentionSpace {
  int64_t scores_bytes = 0, product_bytes = 0;

  int64_t total() const { return scores_bytes + product_bytes; }
};
/// `columns`: of q, all heads together.
EagerAttentionSpace eager_attention_space(int64_t length, int64_t columns, int64_t head_dim, DType dtype,
                                          bool gradient, int threads);

}  // namespace tidemark::cpu
