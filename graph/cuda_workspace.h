// Scratch bytes of the CUDA kernels, as functions of shapes alone: what graph/cpu_workspace.h is to the
// CPU's.
#pragma once

#include <cstdint>

#include "graph/op_def.h"

namespace tidemark::cuda {

/// The scratch bytes of an op on CUDA, 0 where it takes none.
int64_t workspace(const OpView& op);

/// To whole buffers' alignment.
int64_t rounded(int64_t bytes);

/// What cuBLASLt may use for one product: NVIDIA's recommendation for Hopper.
inline constexpr int64_t kMatmulWorkspace = int64_t{32} << 20;

/// Of a block's shared memory, what reductions over it may keep.
inline constexpr int kReductionShared = 256;
/// Bytes of shared memory that a kernel may ask for on every GPU from sm_80 on: sm_86, sm_89 and sm_120 give
/// a block 99 KiB.
inline constexpr int kLeastShared = (99 << 10) - kReductionShared;

/// What blocks have in the workspace in place of `bytes` of shared memory each, where some GPU does not give
/// them so much: a plan does not know which GPU it is for.
int64_t spilled_scratch(int64_t blocks, int64_t bytes);

/// Rows whose part of a gradient that sums over rows is one block's.
inline constexpr int64_t kPartRows = 32;
int64_t row_parts(int64_t rows);

/// Of a recurrent layer, after a product's scratch: the row of each time's first sequence, what the next
/// time's product takes, that product in f32 and, going back, what one time hands to the next.
struct RecurrentSpace {
  int64_t first_bytes = 0, state_bytes = 0, product_bytes = 0, carry_bytes = 0;

  int64_t bytes() const { return kMatmulWorkspace + first_bytes + state_bytes + product_bytes + carry_bytes; }
};
RecurrentSpace recurrent_space(int64_t times, int64_t max_batch, int64_t hidden, int64_t gates, DType dtype,
                               bool backward);
int64_t recurrent_first_bytes(int64_t times);

/// Channels of a block of the selective scan, and blocks that all channels make.
int64_t selective_scan_lanes(int64_t states);
int64_t selective_scan_blocks(int64_t channels, int64_t states);
/// What a block has of its lanes and their states; nothing where registers hold them, which are few.
int64_t selective_scan_bytes(int64_t states);
int64_t selective_scan_grad_bytes(int64_t states);

/// Bytes that a lane of wkv's gradient keeps: two sums in f64, and for every row of a chunk a state of three
/// numbers.
inline constexpr int64_t kWkvSumsBytes = 16, kWkvStateBytes = 12;

/// Elements of a tensor whose squares are summed by one block.
inline constexpr int64_t kGradNormBlock = 1 << 14;
int64_t grad_norm_blocks(int64_t elements);

/// After a product's scratch: a chunk's logits in f32, their gradients where these are of another dtype, a
/// loss per token, and the number of labels that count.
struct CrossEntropySpace {
  int64_t logits_bytes = 0, dlogits_bytes = 0, losses_bytes = 0, count_bytes = 0;

  int64_t bytes() const {
    return kMatmulWorkspace + logits_bytes + dlogits_bytes + losses_bytes + count_bytes;
  }
};
CrossEntropySpace cross_entropy_space(int64_t tokens, int64_t vocabulary, int64_t chunk_rows, DType dtype,
                                      bool with_gradient);

}  // namespace tidemark::cuda
