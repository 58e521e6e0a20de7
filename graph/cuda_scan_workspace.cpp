#include "graph/cuda_scan_workspace.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/divided.h"
#include "graph/cuda_workspace.h"

namespace tidemark::cuda {
namespace {

constexpr int64_t kChunk = 8;  ///< bf16 that move at once

/// Of a scan over so many states.
int64_t outer_spilled(int64_t states, int64_t left, int64_t right) {
  return spilled_scratch(states * outer_slices(left, right), outer_bytes(left, true));
}

/// Of x, B and C, input `xbc`.
struct Ssd {
  int64_t rows, heads, columns, groups, states;

  Ssd(const OpView& op, int xbc)
      : rows(op.in(xbc).shape[0]),
        heads(op.attributes().integer("heads")),
        columns(0),
        groups(op.attributes().integer("groups")),
        states(op.attributes().integer("states")) {
    columns = (op.in(xbc).shape[1] - 2 * groups * states) / heads;
  }
};

}  // namespace

int64_t conv_parts(int64_t rows) {
  return divided(rows, kConvPartRows);
}

int64_t causal_conv1d_grad_workspace(const OpView& op) {
  const Shape& weight = op.in(2).shape;
  return rounded(4 * conv_parts(op.in(1).shape[0]) * weight[0] * (weight[2] + 1));
}

int64_t outer_width(int64_t left) {
  constexpr int64_t kNumbers = 10 << 10;  // of a state: 40 of the 48 KiB that a block gets without asking
  int64_t width = 32;
  while (width > 1 && left * width > kNumbers) width /= 2;
  return width;
}

int64_t outer_slices(int64_t left, int64_t right) {
  return divided(right, outer_width(left));
}

int64_t outer_bytes(int64_t left, bool apart) {
  const int64_t width = outer_width(left);
  return 4 * (left * width + kOuterRows * (apart ? 2 * (kOuterLanes + width) : kOuterLanes));
}

int64_t retention_part(int64_t values) {
  return divided(divided(values, divided(values, kMostLeft)), kChunk) * kChunk;
}

int64_t retention_decays_bytes(const OpView& op) {
  return rounded((8 + 4) * static_cast<int64_t>(op.attributes().numbers("decays").size()));
}

int64_t retention_workspace(const OpView& op) {
  const int64_t heads = static_cast<int64_t>(op.attributes().numbers("decays").size());
  const int64_t keys = op.in(0).shape[1] / heads, values = op.in(2).shape[1] / heads;
  return retention_decays_bytes(op) + outer_spilled((op.in(3).shape[0] - 1) * heads, keys, values);
}

RetentionGradSpace retention_grad_space(const OpView& op) {
  const TensorType& q = op.in(1);
  const int64_t heads = static_cast<int64_t>(op.attributes().numbers("decays").size());
  const int64_t values = op.in(3).shape[1] / heads;
  const bool in_parts = q.dtype == DType::bf16 && retention_part(values) < values;
  const int64_t states = (op.in(6).shape[0] - 1) * heads, keys = q.shape[1] / heads;
  return {retention_decays_bytes(op), rounded((in_parts ? 2 : 1) * q.bytes()),
          std::max(outer_spilled(states, keys, values), outer_spilled(states, values, keys))};
}

bool ssd_on_tensor_cores(const OpView& op, int xbc) {
  const Ssd s(op, xbc);
  return op.in(xbc).dtype == DType::bf16 && s.columns % kChunk == 0 && s.states % kChunk == 0 &&
         s.states <= kMostSsd && s.columns <= kMostSsd;
}

int64_t ssd_scan_workspace(const OpView& op) {
  const Ssd s(op, 0);
  const int64_t bytes = rounded(4 * 2 * s.rows * s.heads);  // of each row and head its step and decay
  return bytes + outer_spilled((op.in(5).shape[0] - 1) * s.heads, s.states, s.columns);
}

SsdGradSpace ssd_grad_space(const OpView& op) {
  const Ssd s(op, 1);
  const int64_t chunks = op.in(6).shape[0], group_heads = s.heads / s.groups;
  // Sets where windows of 64 rows alone are too few blocks for a GPU.
  const int64_t wanted = std::clamp<int64_t>(512 / (divided(s.rows, 64) * s.groups), 1, 16);
  SsdGradSpace space;
  space.row_heads = s.rows * s.heads;
  space.set_heads = divided(group_heads, wanted);
  space.sets = divided(group_heads, space.set_heads);
  space.matrix = s.rows * s.groups * s.states;
  space.states = op.in(6).shape.elements();
  space.chunk_heads = chunks * s.heads;
  space.of_d = row_parts(s.rows) * s.heads;
  return space;
}

int64_t ssd_scan_grad_workspace(const OpView& op) {
  if (ssd_on_tensor_cores(op, 1)) return rounded(4 * ssd_grad_space(op).floats());
  const Ssd s(op, 1);
  const int64_t slices = outer_slices(s.states, s.columns), chunks = op.in(6).shape[0];
  const int64_t sequences = op.in(7).shape[0] - 1;
  const int64_t spilled =
      std::max(outer_spilled(sequences * s.heads, s.states, s.columns),
               outer_spilled(sequences * s.groups, s.heads / s.groups * s.columns, s.states));
  return spilled + rounded(4 * (2 * s.rows * s.heads + 2 * s.rows * s.groups * s.states +
                                slices * s.heads * (3 * s.rows + chunks) +
                                s.heads * (row_parts(s.rows) + 2 * sequences)));
}

bool wkv7_on_tensor_cores(const OpView& op, int r) {
  constexpr int64_t kMostColumns = 64;
  const int64_t columns = op.in(r).shape[1] / op.attributes().integer("heads");
  return op.in(r).dtype == DType::bf16 && columns % kChunk == 0 && columns <= kMostColumns;
}

Wkv7GradSpace wkv7_grad_space(const OpView& op) {
  if (wkv7_on_tensor_cores(op, 1)) return {};
  const int64_t columns = op.in(1).shape[1] / op.attributes().integer("heads");
  const int64_t chunk_rows = std::min(op.in(1).shape[0], op.attributes().integer("chunk_rows"));
  return {divided(chunk_rows, kWkv7Rows) * columns * columns, chunk_rows * columns};
}

int64_t wkv7_tile_floats(int64_t columns) {
  return kWkv7Rows * (6 * (columns + 1) + 1);
}

int64_t wkv7_block_bytes(int64_t columns) {
  return 4 * (columns * (columns + 1) + wkv7_tile_floats(columns));
}

int64_t wkv7_grad_block_bytes(int64_t columns) {
  const int64_t parts = std::max<int64_t>(1, kWkv7Lanes / columns), row = columns + 1;
  return 4 * (2 * (columns + kWkv7Rows) * row + (kWkv7Kinds * (parts + 1) + 2) * columns +
              wkv7_tile_floats(columns));
}

int64_t wkv7_workspace(const OpView& op) {
  if (wkv7_on_tensor_cores(op, 0)) return 0;
  const int64_t heads = op.attributes().integer("heads"), sequences = op.in(7).shape[0] - 1;
  return spilled_scratch(sequences * heads, wkv7_block_bytes(op.in(0).shape[1] / heads));
}

int64_t wkv7_grad_workspace(const OpView& op) {
  const int64_t heads = op.attributes().integer("heads"), sequences = op.in(9).shape[0] - 1;
  const Wkv7GradSpace space = wkv7_grad_space(op);
  const int64_t blocks = sequences * heads, columns = op.in(1).shape[1];
  const int64_t bytes = rounded(4 * (2 * sequences * columns + blocks * (space.pieces + space.alongs)));
  if (wkv7_on_tensor_cores(op, 1)) return bytes;
  return bytes + spilled_scratch(blocks, wkv7_grad_block_bytes(columns / heads));
}

int64_t wkv7_output_grad_workspace(const OpView& op) {
  return rounded(4 * 2 * row_parts(op.in(1).shape[0]) * op.in(1).shape[1]);
}

int64_t nade_row_bytes(int64_t hidden) {
  return 4 * 2 * hidden;
}

int64_t nade_workspace(const OpView& op) {
  const Shape& weight = op.in(2).shape;
  return rounded(4 * weight.elements()) + spilled_scratch(op.in(0).shape[0], nade_row_bytes(weight[0]));
}

int64_t nade_grad_workspace(const OpView& op) {
  return rounded(4 * (2 * op.in(1).shape.elements() + 3 * op.in(3).shape[0] * op.in(1).shape[0]));
}

// A head's dp in f32, then ds in the op's dtype.
int64_t eager_attention_grad_workspace(const OpView& op) {
  const int64_t length = op.attributes().integer("length");
  return kMatmulWorkspace + rounded((4 + size_of(op.in(1).dtype)) * length * length);
}

// Five coefficients and a state, or the same of their gradients too.
int64_t ssm_block_bytes(int64_t states, bool gradient) {
  return 16 * states * (gradient ? 12 : 6);
}

int64_t ssm_kernel_workspace(const OpView& op) {
  const Shape& states = op.in(1).shape;
  return spilled_scratch(states[0], ssm_block_bytes(states[1], false));
}

int64_t ssm_segment_rows(int64_t length) {
  return std::max<int64_t>(1, static_cast<int64_t>(std::sqrt(static_cast<double>(length))));
}

// The states before every segment, and after every row of one.
int64_t ssm_kernel_grad_workspace(const OpView& op) {
  const int64_t length = op.attributes().integer("length"), rows = ssm_segment_rows(length);
  const Shape& states = op.in(2).shape;
  return rounded(16 * states.elements() * (divided(length, rows) + rows)) +
         spilled_scratch(states[0], ssm_block_bytes(states[1], true));
}

int64_t transform_points(int64_t length) {
  return static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(length)));
}

int64_t convolution_spectra(bool gradient) {
  return gradient ? 4 : 2;
}

// After two tables.
int64_t long_convolution_workspace(const OpView& op, bool gradient) {
  const Shape& kernel = op.in(gradient ? 2 : 1).shape;
  return rounded(8 * transform_points(kernel[1]) * (2 + kernel[0] * convolution_spectra(gradient)));
}

}  // namespace tidemark::cuda
