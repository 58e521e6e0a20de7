// Scratch memory of the CUDA kernels of sequence layers: their ops' workspace, and where in it things are.
#pragma once

#include <cstdint>

#include "graph/op_def.h"

namespace tidemark::cuda {

/// Rows of a causal convolution whose part of its parameters' gradients is one block's: as its workspace, a
/// row of each part.
inline constexpr int kConvPartRows = 128;
int64_t conv_parts(int64_t rows);
int64_t causal_conv1d_grad_workspace(const OpView& op);

/// Columns of a state of so many rows that a block of a linear attention's scan has, and blocks that all
/// columns make.
int64_t outer_width(int64_t left);
int64_t outer_slices(int64_t left, int64_t right);
/// Rows after which a block adds up what its lanes found, and lanes of it.
inline constexpr int64_t kOuterRows = 8, kOuterLanes = 256;
/// What a block has of its columns, and of each lane one sum, or `apart` two.
int64_t outer_bytes(int64_t left, bool apart);

/// Rows of a state of which a block on tensor cores has some columns, at most.
inline constexpr int kMostLeft = 256;
/// Columns of v that dq and dk are summed over at a time there: whole chunks.
int64_t retention_part(int64_t values);

/// The heads' decays and their logarithms; then scans' blocks, where shared memory does not hold them.
int64_t retention_decays_bytes(const OpView& op);
int64_t retention_workspace(const OpView& op);
/// The same, but before the blocks dq and dk, each as large as q, or twice that where bf16 is summed over
/// parts of v.
struct RetentionGradSpace {
  int64_t decays_bytes = 0, query_bytes = 0, spilled_bytes = 0;

  int64_t bytes() const { return decays_bytes + 2 * query_bytes + spilled_bytes; }
};
RetentionGradSpace retention_grad_space(const OpView& op);

/// Whether tensor cores take x, B and C, input `xbc`: bf16 in rows of whole chunks, neither states nor
/// columns of a head too many.
inline constexpr int kMostSsd = 128;
bool ssd_on_tensor_cores(const OpView& op, int xbc);
int64_t ssd_scan_workspace(const OpView& op);
int64_t ssd_scan_grad_workspace(const OpView& op);
/// Of the gradient on tensor cores, in floats: each row's and head's numbers come six times; then dB and dC,
/// sums apart of sets of a group's heads; the gradients of the states after chunks; of each chunk and head
/// three numbers, and parts of dD.
struct SsdGradSpace {
  int64_t row_heads = 0, sets = 0, set_heads = 0, matrix = 0, states = 0, chunk_heads = 0, of_d = 0;

  int64_t floats() const { return 6 * row_heads + 2 * sets * matrix + states + 3 * chunk_heads + of_d; }
};
SsdGradSpace ssd_grad_space(const OpView& op);

/// Whether tensor cores take r, input `r`, and those like it: bf16 in rows of whole chunks, heads not too
/// wide.
bool wkv7_on_tensor_cores(const OpView& op, int r);
/// Rows of a head that wkv7 has in shared memory at once, and between two states that its gradient makes
/// again.
inline constexpr int64_t kWkv7Rows = 8;
/// In floats, of a head of a sequence, but on tensor cores: the states before the pieces of a chunk; of each
/// of its rows the product of state and `a`.
struct Wkv7GradSpace {
  int64_t pieces = 0, alongs = 0;
};
Wkv7GradSpace wkv7_grad_space(const OpView& op);
/// Of a tile of a head's rows, in shared memory; what a block has there, going back with kWkv7Kinds sums of
/// lanes for each column.
inline constexpr int64_t kWkv7Lanes = 256, kWkv7Kinds = 7;
int64_t wkv7_tile_floats(int64_t columns);
int64_t wkv7_block_bytes(int64_t columns);
int64_t wkv7_grad_block_bytes(int64_t columns);
int64_t wkv7_workspace(const OpView& op);
int64_t wkv7_grad_workspace(const OpView& op);
int64_t wkv7_output_grad_workspace(const OpView& op);

/// What a block has of a row.
int64_t nade_row_bytes(int64_t hidden);
int64_t nade_workspace(const OpView& op);
int64_t nade_grad_workspace(const OpView& op);

int64_t eager_attention_grad_workspace(const OpView& op);

/// Of a state-space layer's kernel, that a block has of a channel's states, each of some complex numbers.
int64_t ssm_block_bytes(int64_t states, bool gradient);
int64_t ssm_kernel_workspace(const OpView& op);
int64_t ssm_segment_rows(int64_t length);
int64_t ssm_kernel_grad_workspace(const OpView& op);

/// A transform of at most so many bytes is in shared memory, of which a block has 99 KiB everywhere.
inline constexpr int64_t kSharedTransformBytes = 64 << 10;
int64_t transform_points(int64_t length);
/// A channel's spectra: the kernel's, and going back u's and the sum of products; last what is transformed,
/// where shared memory does not hold it.
int64_t convolution_spectra(bool gradient);
int64_t long_convolution_workspace(const OpView& op, bool gradient);

}  // namespace tidemark::cuda
