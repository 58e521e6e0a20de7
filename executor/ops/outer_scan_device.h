// The scan that linear attention and Mamba-2 share, and their gradients are made of, on a device: per
// sequence and head state' = decay state + left right^T, of which every row takes state^T query.
//
// The columns of the state do not depend on each other: a block has some of them in shared memory. Of these a
// lane has a column's every so many numbers, which nobody else touches, so that lanes meet once in a few
// rows.
#pragma once

#include "executor/device/shared_memory.h"
#include "executor/ops/device_operands.h"
#include "graph/cuda_scan_workspace.h"

namespace tidemark::ops {

using cuda::kOuterLanes, cuda::kOuterRows;

struct OuterShape {
  int64_t sequences = 0, heads = 0;
  int64_t left = 0, right = 0;  ///< of a head's state
  int64_t width = 0;            ///< columns of a block
  int64_t slices = 0;           ///< blocks of a head
  const int32_t* cu_seqlens = nullptr;
  void* spilled = nullptr;  ///< what blocks have, where shared memory does not hold it
};

inline OuterShape outer_shape(const KernelArgs& args, int cu_seqlens, int64_t heads, int64_t left,
                              int64_t right, void* spilled) {
  OuterShape s;
  s.sequences = args.op.in(cu_seqlens).shape[0] - 1;
  s.heads = heads;
  s.left = left;
  s.right = right;
  s.width = cuda::outer_width(left);
  s.slices = cuda::outer_slices(left, right);
  s.cu_seqlens = args.in<int32_t>(cu_seqlens);
  s.spilled = spilled;
  return s;
}

/// What a block works on.
struct OuterBlock {
  int64_t sequence, head, slice, first, width, begin, end;
};
TIDEMARK_HOST_DEVICE inline OuterBlock outer_block(const OuterShape& s, int64_t index) {
  OuterBlock b{index / s.slices / s.heads, index / s.slices % s.heads, index % s.slices, 0, 0, 0, 0};
  b.first = b.slice * s.width;
  b.width = device::smaller(s.width, s.right - b.first);
  b.begin = s.cu_seqlens[b.sequence];
  b.end = s.cu_seqlens[b.sequence + 1];
  return b;
}

/// What scans have unless they say otherwise.
struct OuterScan {
  /// decay() differs among the numbers of a column.
  static constexpr bool kDecaysDiffer = false;
  /// after(row, head, i, j, state) takes the state after the rows that saves(row) picks.
  static constexpr bool kSaves = false;
  /// out(row, head, j, carried, own) takes what the row reads of earlier rows' and, to be multiplied with
  /// right(), of its own, and returns a number for each; dot(row, head, slice, sums) takes their sums
  ///  over the block's columns.
  static constexpr bool kApart = false;
  /// before(row, head, i, j) is what the state that is handed over to row is multiplied with, where
  /// turns(row), a multiple of chunk_rows; turn(row, head, slice, sum) takes the sum of the products.
  static constexpr bool kTurns = false;
};

struct OuterDots {
  float carried, own;
};

/// scan.query(row, head, i), left(row, head, i), right(row, head, j): the operands; decay(row, head, i): what
/// the state is multiplied with on its way to the row; out(row, head, j, value). Rows are read before those
/// of the same tile are written. kReverse: from a sequence's last row to its first.
template <bool kReverse, typename Scan, typename Device, typename Scratch>
void outer_scan_in(Device& device, const OuterShape& shape, const Scan& scan, const Scratch& scratch) {
  using Group = typename Device::Group;
  device.launch(
      shape.sequences * shape.heads * shape.slices, static_cast<int>(kOuterLanes), scratch.shared_bytes(),
      TIDEMARK_BODY(Group & group, int64_t index) {
        const OuterBlock b = outer_block(shape, index);
        const int64_t width = b.width, head = b.head, parts = kOuterLanes / width;
        const Scan& with = scan;
        float* const state = scratch.template of<float>(group, index);
        float* const sums = state + shape.left * shape.width;
        float* const owns = sums + kOuterRows * kOuterLanes;
        auto* const dots = reinterpret_cast<OuterDots*>(owns + kOuterRows * kOuterLanes);
        group.each(shape.left * width, [&](int64_t i) { state[i] = 0; });
        for (int64_t done = 0; done < b.end - b.begin;) {
          const auto row_of = [&](int64_t t) { return kReverse ? b.end - 1 - t : b.begin + t; };
          int64_t rows = device::smaller(kOuterRows, b.end - b.begin - done);
          if constexpr (Scan::kTurns) {
            const int64_t row = row_of(done);
            if (done > 0 && with.turns(row)) {
              const float turn = group.template sum<float>(shape.left * width, [&](int64_t e) {
                const int64_t i = e / width, j = b.first + e % width;
                return with.decay(row, head, i) * state[e] * with.before(row, head, i, j);
              });
              group.each(1, [&](int64_t) { with.turn(row, head, b.slice, turn); });
            }
            for (int64_t t = 1; t < rows; ++t)
              if (with.turns(row_of(done + t))) rows = t;
          }
          group.each(parts * width, [&](int64_t lane) {
            const int64_t part = lane / width, column = lane % width, j = b.first + column;
            for (int64_t t = 0; t < rows; ++t) {
              const int64_t row = row_of(done + t);
              const bool follows = done + t > 0;
              const float right = with.right(row, head, j);
              float decay = follows ? with.decay(row, head, 0) : 0.0f;
              float sum = 0, own = 0;
              for (int64_t i = part; i < shape.left; i += parts) {
                float& s = state[i * width + column];
                if constexpr (Scan::kDecaysDiffer) decay = follows ? with.decay(row, head, i) : 0.0f;
                const float query = with.query(row, head, i), left = with.left(row, head, i);
                const float carried = decay * s;
                s = fmaf(left, right, carried);
                sum = fmaf(query, Scan::kApart ? carried : s, sum);
                own = fmaf(query, left, own);
                if constexpr (Scan::kSaves) {
                  if (with.saves(row)) with.after(row, head, i, j, s);
                }
              }
              const int64_t at = (t * parts + part) * width + column;
              sums[at] = sum;
              if constexpr (Scan::kApart) owns[at] = own;
            }
          });
          group.each(rows * width, [&](int64_t e) {
            const int64_t t = e / width, column = e % width, row = row_of(done + t);
            const auto total = [&](const float* of_parts) {
              float sum = 0;
              for (int64_t part = 0; part < parts; ++part)
                sum += of_parts[(t * parts + part) * width + column];
              return sum;
            };
            if constexpr (Scan::kApart)
              dots[e] = with.out(row, head, b.first + column, total(sums), total(owns));
            else
              with.out(row, head, b.first + column, total(sums));
          });
          if constexpr (Scan::kApart)
            group.each(rows, [&](int64_t t) {
              OuterDots sum{0, 0};
              for (int64_t column = 0; column < width; ++column) {
                sum.carried += dots[t * width + column].carried;
                sum.own += dots[t * width + column].own;
              }
              with.dot(row_of(done + t), head, b.slice, sum);
            });
          done += rows;
        }
      });
}
template <bool kReverse, typename Scan, typename Device>
void outer_scan(Device& device, const OuterShape& shape, const Scan& scan) {
  device::with_scratch(device, cuda::outer_bytes(shape.left, Scan::kApart), shape.spilled,
                       [&](auto scratch) { outer_scan_in<kReverse>(device, shape, scan, scratch); });
}

}  // namespace tidemark::ops
