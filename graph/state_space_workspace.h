// How the CPU kernels of state-space layers cut their work, and the scratch bytes that follow from it.
#pragma once

#include <cstdint>

namespace tidemark::cpu {

/// Channels of one task of the selective scan, a whole number of vectors.
inline constexpr int64_t kScanChannels = 32;
/// Tasks that so many channels make.
constexpr int64_t scan_blocks(int64_t channels) {
  return (channels + kScanChannels - 1) / kScanChannels;
}
/// Most rows between two saved states: a chunk's states are made again in a thread's second-level cache.
inline constexpr int64_t kScanChunkRows = 64;

int64_t selective_scan_workspace(int64_t channels, int64_t states, int64_t chunk_rows, int threads);
int64_t selective_scan_grad_workspace(int64_t channels, int64_t states, int64_t chunk_rows, int threads);

/// The state before every row of a chunk, per thread.
int64_t wkv_grad_workspace(int64_t channels, int64_t chunk_rows, int threads);

/// In floats. First what the tasks share, one after the other, then per thread.
struct SelectiveScanSpace {
  int64_t blocks = 0;    ///< of kScanChannels channels
  int64_t carried = 0;   ///< [blocks, states, kScanChannels]: gradient of the state, and again of A
  int64_t partials = 0;  ///< [blocks, chunk_rows, 2 * states]: each block's part of the gradients of B and C
  int64_t thread = 0;
};
SelectiveScanSpace selective_scan_grad_space(int64_t channels, int64_t states, int64_t chunk_rows);

/// Rows of one matrix product of the chunked scan (Mamba-2); a chunk is cut into pieces of so many.
inline constexpr int64_t kSsdPieceRows = 64;
/// Sets of heads whose parts of the gradients of B and C are summed apart, at most (or the groups, if more).
inline constexpr int64_t kSsdHeadSets = 16;

struct SsdShape {
  int64_t heads = 0, head_columns = 0, groups = 0, states = 0;
  int64_t chunk_rows = 0;  ///< between two saved states; no more than the rows there are

  int64_t piece_rows() const;
  int64_t pieces() const;          ///< of a chunk
  int64_t padded_columns() const;  ///< of a head, in whole panels (kPanelColumns) of a product
  int64_t heads_per_set() const;   ///< sets do not cross groups
  int64_t sets_per_group() const;
};

/// In floats. Tasks share the scores of every group and piece, every head's state (or its gradient) and, for
/// the gradient, the scores' gradients of every set and piece; then comes what each thread has.
struct SsdSpace {
  int64_t scores = 0;  ///< B and C [piece_rows, states] and C B^T [piece_rows, piece_rows]
  int64_t state = 0;   ///< [states, padded_columns]
  int64_t shared = 0;
  int64_t thread = 0;
};
SsdSpace ssd_space(const SsdShape& shape, bool gradient);
int64_t ssd_workspace(const SsdShape& shape, bool gradient, int threads);

/// Channels of one task of the long convolution.
inline constexpr int64_t kFftChannels = 16;
int64_t fft_blocks(int64_t channels);

/// Complex transforms of `points` points, a power of two, side by side for kFftChannels channels. In floats:
/// two tables that all tasks share, and per thread the buffers of one block.
struct FftSpace {
  int64_t points = 0;
  int64_t tables = 0;
  int64_t buffer = 0;  ///< [points, 2, kFftChannels]
  int64_t thread = 0;

  int64_t bytes(int threads) const { return 4 * (tables + threads * thread); }
};
FftSpace fft_space(int64_t length, bool gradient);

/// Channels of one task of the kernel of a state-space model.
inline constexpr int64_t kSsmChannels = 8;

/// In doubles, per thread. The gradient goes back over segments of rows, whose states it makes again from the
/// one before the segment.
struct SsmKernelSpace {
  int64_t blocks = 0;        ///< of kSsmChannels channels
  int64_t row = 0;           ///< [states, 2, kSsmChannels]
  int64_t segment_rows = 0;  ///< 0: no gradient
  int64_t segments = 0;
  int64_t thread = 0;

  int64_t bytes(int threads) const;  ///< with one per block at most
};
/// `length` 0: of the kernel, else of its gradient.
SsmKernelSpace ssm_kernel_space(int64_t channels, int64_t states, int64_t length);

/// Rows of one matrix product of retention; a chunk is cut into pieces of so many.
inline constexpr int64_t kRetentionPieceRows = 64;

struct RetentionShape {
  int64_t heads = 0, key_columns = 0, value_columns = 0;
  int64_t chunk_rows = 0;  ///< between two saved states; no more than the rows there are

  int64_t piece_rows() const;
  int64_t pieces() const;  ///< of a chunk
};

/// Floats of one head's task. q, k and a scaled one of them; v, or going back v, do and a scaled one; scores
/// and going back their gradient; an output; a packed operand; states.
struct RetentionSpace {
  int64_t keys = 0;    ///< [piece_rows, key_columns]
  int64_t values = 0;  ///< [piece_rows, value_columns]
  int64_t scores = 0;  ///< [piece_rows, piece_rows]
  int64_t packed = 0;
  int64_t state = 0;  ///< [key_columns, value_columns], then one column, as of ones in v
  int64_t thread = 0;
};
RetentionSpace retention_space(const RetentionShape& shape, bool gradient);
int64_t retention_workspace(const RetentionShape& shape, bool gradient, int threads);

/// Value columns of a head's state of which the gradient of RWKV-7's recurrence holds a whole chunk of
/// states.
inline constexpr int64_t kWkv7Values = 16;

struct Wkv7Shape {
  int64_t heads = 0, head_columns = 0;
  int64_t chunk_rows = 0;  ///< between two saved states; no more than the rows there are

  int64_t padded_columns() const;  ///< of a head, in whole vectors and blocks of kWkv7Values
};

/// Floats of one head's task. Six operands of a chunk and a factor per row; a state, or going back its
/// gradient; three rows of a state's columns. Going back also the outputs' gradient and six results, the
/// states of a block before and after every row with their products with `a`, and four rows of sums.
struct Wkv7Space {
  int64_t rows = 0;     ///< [chunk_rows, padded_columns]
  int64_t factors = 0;  ///< [chunk_rows]
  int64_t state = 0;    ///< [padded_columns, padded_columns]
  int64_t block = 0;    ///< [kWkv7Values, padded_columns]
  int64_t thread = 0;
};
Wkv7Space wkv7_space(const Wkv7Shape& shape, bool gradient);
int64_t wkv7_workspace(const Wkv7Shape& shape, bool gradient, int threads);
/// Sums over rows of two parameters' gradients and a chunk's part of them, per thread.
int64_t wkv7_output_grad_workspace(int64_t heads, int64_t head_columns, int threads);

}  // namespace tidemark::cpu
