#include "graph/state_space_workspace.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/divided.h"
#include "graph/cpu_workspace.h"

namespace tidemark::cpu {
namespace {

/// Floats to whole cache lines.
int64_t padded(int64_t floats) {
  return divided(floats, 16) * 16;
}

}  // namespace

int64_t selective_scan_workspace(int64_t channels, int64_t states, int64_t chunk_rows, int threads) {
  // A and the state; B and C; time step, input, output.
  const int64_t thread =
      2 * states * kScanChannels + padded(chunk_rows * 2 * states) + 3 * chunk_rows * kScanChannels;
  return 4 * thread * std::min<int64_t>(threads, scan_blocks(channels));
}

int64_t wkv_grad_workspace(int64_t channels, int64_t chunk_rows, int threads) {
  return 4 * 3 * chunk_rows * kScanChannels * std::min<int64_t>(threads, scan_blocks(channels));
}

SelectiveScanSpace selective_scan_grad_space(int64_t channels, int64_t states, int64_t chunk_rows) {
  SelectiveScanSpace space;
  space.blocks = scan_blocks(channels);
  const int64_t state = states * kScanChannels;
  space.carried = space.blocks * state;
  space.partials = padded(space.blocks * chunk_rows * 2 * states);
  // A and the chunk's gradient of A; B and C; decays and states of all rows; time step, input, gradient,
  // output.
  space.thread = 2 * state + padded(chunk_rows * 2 * states) + (2 * chunk_rows + 1) * state +
                 4 * chunk_rows * kScanChannels;
  return space;
}

int64_t selective_scan_grad_workspace(int64_t channels, int64_t states, int64_t chunk_rows, int threads) {
  const SelectiveScanSpace space = selective_scan_grad_space(channels, states, chunk_rows);
  return 4 * (2 * space.carried + space.partials + space.thread * std::min<int64_t>(threads, space.blocks));
}

int64_t SsdShape::piece_rows() const {
  return std::min(kSsdPieceRows, chunk_rows);
}
int64_t SsdShape::pieces() const {
  return divided(chunk_rows, kSsdPieceRows);
}
int64_t SsdShape::padded_columns() const {
  return divided(head_columns, kPanelColumns) * kPanelColumns;
}
int64_t SsdShape::heads_per_set() const {
  return std::min(heads / groups, divided(heads, kSsdHeadSets));
}
int64_t SsdShape::sets_per_group() const {
  return divided(heads / groups, heads_per_set());
}

SsdSpace ssd_space(const SsdShape& s, bool gradient) {
  const auto whole_panels = [](int64_t n) { return divided(n, kPanelColumns) * kPanelColumns; };
  const int64_t rows = s.piece_rows(), pieces = s.pieces(), columns = s.padded_columns();
  SsdSpace space;
  space.scores = padded(2 * rows * s.states + rows * rows);
  space.state = s.states * columns;
  space.shared = s.groups * pieces * space.scores + s.heads * space.state;
  const int64_t square = rows * rows, matrix = rows * columns;
  const int64_t packed_b = s.states * whole_panels(rows);
  if (!gradient) {
    // Input scaled by the time step, and again by its decay to the end; output; decayed scores.
    space.thread = padded(std::max(packed_b, 3 * matrix + square));
    return space;
  }
  space.shared += s.groups * s.sets_per_group() * pieces * space.scores;
  // States of the pieces; input, scaled input, output's gradient, scaled input's gradient; decayed scores and
  // their gradient; a product with the states; a packed operand.
  const int64_t packed =
      std::max({matrix, s.head_columns * whole_panels(rows), kPanelColumns * whole_panels(s.states)});
  const int64_t head = pieces * space.state + 4 * matrix + 2 * square + rows * s.states + packed;
  space.thread = padded(std::max({packed_b, head, rows * whole_panels(s.states)}));
  return space;
}

int64_t ssd_workspace(const SsdShape& shape, bool gradient, int threads) {
  const SsdSpace space = ssd_space(shape, gradient);
  return 4 * (space.shared + space.thread * threads);
}

int64_t fft_blocks(int64_t channels) {
  return divided(channels, kFftChannels);
}

FftSpace fft_space(int64_t length, bool gradient) {
  FftSpace space;
  space.points = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(length)));
  space.tables = padded(4 * space.points);
  space.buffer = 2 * kFftChannels * space.points;
  // The kernel's spectrum and a sequence's; going back the other sequence's and the sum of their products.
  space.thread = (gradient ? 4 : 2) * space.buffer;
  return space;
}

int64_t SsmKernelSpace::bytes(int threads) const {
  return 8 * thread * std::min<int64_t>(threads, blocks);
}

SsmKernelSpace ssm_kernel_space(int64_t channels, int64_t states, int64_t length) {
  SsmKernelSpace space;
  space.blocks = divided(channels, kSsmChannels);
  space.row = 2 * kSsmChannels * states;
  // Five coefficients (factor, output, feedback in and out, first state) and the running state.
  space.thread = 6 * space.row;
  if (length == 0) return space;
  space.segment_rows = std::max<int64_t>(1, static_cast<int64_t>(std::sqrt(static_cast<double>(length))));
  space.segments = divided(length, space.segment_rows);
  // The coefficients' gradients, and the states before every segment and of every row of one.
  space.thread += (5 + space.segments + space.segment_rows) * space.row;
  return space;
}

int64_t RetentionShape::piece_rows() const {
  return std::min(kRetentionPieceRows, chunk_rows);
}
int64_t RetentionShape::pieces() const {
  return divided(chunk_rows, kRetentionPieceRows);
}

RetentionSpace retention_space(const RetentionShape& s, bool gradient) {
  const auto whole_panels = [](int64_t n) { return divided(n, kPanelColumns) * kPanelColumns; };
  const int64_t rows = s.piece_rows(), values = s.value_columns;
  RetentionSpace space;
  space.keys = padded(rows * s.key_columns);
  space.values = padded(rows * values);
  space.scores = padded(rows * rows);
  space.state = padded(s.key_columns * (values + 1));
  const int64_t longest = std::max({rows, s.key_columns, values});
  space.packed = longest * whole_panels(longest);
  const int64_t pieces = gradient ? s.pieces() : 0;
  space.thread = (gradient ? 4 : 3) * space.keys + (gradient ? 4 : 2) * space.values +
                 (gradient ? 2 : 1) * space.scores + space.packed + (1 + pieces) * space.state;
  return space;
}

int64_t retention_workspace(const RetentionShape& shape, bool gradient, int threads) {
  return 4 * retention_space(shape, gradient).thread * std::min<int64_t>(threads, shape.heads);
}

int64_t Wkv7Shape::padded_columns() const {
  return divided(head_columns, kWkv7Values) * kWkv7Values;
}

Wkv7Space wkv7_space(const Wkv7Shape& s, bool gradient) {
  const int64_t columns = s.padded_columns();
  Wkv7Space space;
  space.rows = s.chunk_rows * columns;
  space.factors = padded(s.chunk_rows);
  space.state = columns * columns;
  space.block = kWkv7Values * columns;
  space.thread = 6 * space.rows + space.factors + space.state;
  if (gradient)
    space.thread +=
        7 * space.rows + (s.chunk_rows + 2) * space.block + (s.chunk_rows + 1) * kWkv7Values + 4 * columns;
  else
    space.thread += 3 * columns;
  return space;
}

int64_t wkv7_workspace(const Wkv7Shape& shape, bool gradient, int threads) {
  return 4 * wkv7_space(shape, gradient).thread * std::min<int64_t>(threads, shape.heads);
}

int64_t wkv7_output_grad_workspace(int64_t heads, int64_t head_columns, int threads) {
  return 4 * 4 * padded(head_columns) * std::min<int64_t>(threads, heads);
}

}  // namespace tidemark::cpu
