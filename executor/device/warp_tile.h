// What a kernel on tensor cores is written in: the fragments of a warp's products, and tiles in shared memory
// that they are loaded from.
//
// A fragment's element belongs to a lane and to one of its registers, as the PTX ISA lays out mma.m16n8k16.
// Registers that lanes hold are a Warp::Lanes<T>: one T of its own for a thread on the device, an array of 32
// on the host, which both are indexed by the lane. So the host runs what a kernel does to single elements.
#pragma once

#include "executor/device/group.h"

namespace tidemark::device {

inline constexpr int kWarpLanes = 32;

/// 16 x 16 bf16: A's fragment, or B's of 16 columns (two products). Pairs of neighbours along the sum; the
/// first is the lower half.
struct Pairs {
  uint32_t x[4];
};
/// 16 x 8 f32: C's fragment.
struct Sums {
  float x[4];
};
/// Of a lane's two rows in C's fragment, something each.
struct RowPair {
  float x[2];
};

/// Where the halves of a register are: A[row, k].
TIDEMARK_HOST_DEVICE constexpr int a_row(int lane, int i) {
  return lane / 4 + i % 2 * 8;
}
TIDEMARK_HOST_DEVICE constexpr int a_k(int lane, int i, int half) {
  return lane % 4 * 2 + half + i / 2 * 8;
}
/// B[k, column], of one product's two registers.
TIDEMARK_HOST_DEVICE constexpr int b_k(int lane, int i, int half) {
  return lane % 4 * 2 + half + i * 8;
}
TIDEMARK_HOST_DEVICE constexpr int b_column(int lane) {
  return lane / 4;
}
/// C[row, column]; register i is of the lane's row i / 2.
TIDEMARK_HOST_DEVICE constexpr int c_row(int lane, int i) {
  return lane / 4 + i / 2 * 8;
}
TIDEMARK_HOST_DEVICE constexpr int c_column(int lane, int i) {
  return lane % 4 * 2 + i % 2;
}

/// Eight bf16, which move at once.
struct alignas(16) Chunk {
  Bf16 x[8];
};
inline constexpr int kChunk = 8;

/// Rows of kColumns bf16 in shared memory, with an odd number of chunks from one to the next: those of eight
/// rows, which ldmatrix reads at once, lie in different banks.
template <int kColumns>
struct SharedTile {
  static_assert(kColumns % 16 == 0);
  static constexpr int kLd = kColumns + kChunk;
  TIDEMARK_HOST_DEVICE static constexpr int elements(int rows) { return rows * kLd; }

  Bf16* data;

  TIDEMARK_HOST_DEVICE Bf16* at(int row, int column) const { return data + row * kLd + column; }
};

/// A[row…, k…], which lies in the tile as it is or, transposed, as [k, row].
template <bool kTransposed, int kColumns, typename Warp>
TIDEMARK_DEVICE_INLINE void load_a(Warp& warp, SharedTile<kColumns> tile, int row, int k,
                                   typename Warp::template Lanes<Pairs>& a) {
  warp.template load<kTransposed>(a, [&](int lane) {
    return kTransposed ? tile.at(k + lane / 16 * 8 + lane % 8, row + lane / 8 % 2 * 8)
                       : tile.at(row + lane % 16, k + lane / 16 * 8);
  });
}
/// B[k…, column…] of 16 columns, which lies in the tile as it is or, transposed, as [column, k].
template <bool kTransposed, int kColumns, typename Warp>
TIDEMARK_DEVICE_INLINE void load_b(Warp& warp, SharedTile<kColumns> tile, int k, int column,
                                   typename Warp::template Lanes<Pairs>& b) {
  // Registers of B are those of a transposed A.
  warp.template load<!kTransposed>(b, [&](int lane) {
    return kTransposed ? tile.at(column + lane / 16 * 8 + lane % 8, k + lane / 8 % 2 * 8)
                       : tile.at(k + lane % 16, column + lane / 16 * 8);
  });
}

/// A bf16 of a register's two.
TIDEMARK_HOST_DEVICE inline float half_of(uint32_t pair, int half) {
  return to_float(Bf16{static_cast<uint16_t>(pair >> 16 * half)});
}

/// A[:, k] times factor(lane, k), rounded.
template <typename Warp, typename Factor>
TIDEMARK_DEVICE_INLINE void scale_a(Warp& warp, typename Warp::template Lanes<Pairs>& a,
                                    const Factor& factor) {
  warp.each_lane([&](int lane) {
    TIDEMARK_UNROLL
    for (int i = 0; i < 4; i += 2) {
      const float first = factor(lane, a_k(lane, i, 0)), second = factor(lane, a_k(lane, i, 1));
      TIDEMARK_UNROLL
      for (int half = 0; half < 2; ++half) {
        uint32_t& pair = a[lane].x[i + half];
        pair = bf16_pair(first * half_of(pair, 0), second * half_of(pair, 1));
      }
    }
  });
}

template <int kDown, int kAcross, typename Warp>
TIDEMARK_DEVICE_INLINE void clear_sums(Warp& warp,
                                       typename Warp::template Lanes<Sums> (&sums)[kDown][kAcross]) {
  warp.each_lane([&](int lane) {
    TIDEMARK_UNROLL
    for (int m = 0; m < kDown; ++m) TIDEMARK_UNROLL
    for (int n = 0; n < kAcross; ++n) sums[m][n][lane] = Sums{};
  });
}

/// sums += A[row…, :] B[:, column…], kInner along the sum; each lies in its tile as it is or transposed.
template <int kInner, bool kATransposed, bool kBTransposed, int kDown, int kAcross, int kAColumns,
          int kBColumns, typename Warp>
TIDEMARK_DEVICE_INLINE void add_tiles(Warp& warp, SharedTile<kAColumns> a, int row, SharedTile<kBColumns> b,
                                      int column,
                                      typename Warp::template Lanes<Sums> (&sums)[kDown][kAcross]) {
  TIDEMARK_UNROLL
  for (int k = 0; k < kInner; k += 16) {
    typename Warp::template Lanes<Pairs> of_a[kDown];
    TIDEMARK_UNROLL
    for (int m = 0; m < kDown; ++m) load_a<kATransposed>(warp, a, row + 16 * m, k, of_a[m]);
    TIDEMARK_UNROLL
    for (int n = 0; n < kAcross; n += 2) {
      typename Warp::template Lanes<Pairs> of_b;
      load_b<kBTransposed>(warp, b, k, column + 8 * n, of_b);
      TIDEMARK_UNROLL
      for (int m = 0; m < kDown; ++m) {
        warp.template multiply<0>(of_a[m], of_b, sums[m][n]);
        warp.template multiply<1>(of_a[m], of_b, sums[m][n + 1]);
      }
    }
  }
}

/// sums = a[row…, :] b^T: 16 kDown rows, and 8 kAcross of b.
template <int kDown, int kAcross, int kColumns, typename Warp>
TIDEMARK_DEVICE_INLINE void multiply_rows(Warp& warp, SharedTile<kColumns> a, int row, SharedTile<kColumns> b,
                                          typename Warp::template Lanes<Sums> (&sums)[kDown][kAcross]) {
  clear_sums(warp, sums);
  add_tiles<kColumns, false, true>(warp, a, row, b, 0, sums);
}

/// sums += x b, x rounded to bf16: what C's fragments hold becomes A's without leaving the lane. b lies in
/// its tile as it is or transposed.
template <bool kBTransposed = false, int kDown, int kInner, int kAcross, int kColumns, typename Warp>
TIDEMARK_DEVICE_INLINE void add_product(Warp& warp,
                                        const typename Warp::template Lanes<Sums> (&x)[kDown][kInner],
                                        SharedTile<kColumns> b,
                                        typename Warp::template Lanes<Sums> (&sums)[kDown][kAcross]) {
  static_assert(8 * (kBTransposed ? kInner : kAcross) <= kColumns);
  TIDEMARK_UNROLL
  for (int k = 0; k < kInner; k += 2) {
    typename Warp::template Lanes<Pairs> a[kDown];
    warp.each_lane([&](int lane) {
      TIDEMARK_UNROLL
      for (int m = 0; m < kDown; ++m) TIDEMARK_UNROLL
      for (int i = 0; i < 4; ++i) {
        const Sums& of = x[m][k + i / 2][lane];
        a[m][lane].x[i] = bf16_pair(of.x[i % 2 * 2], of.x[i % 2 * 2 + 1]);
      }
    });
    TIDEMARK_UNROLL
    for (int n = 0; n < kAcross; n += 2) {
      typename Warp::template Lanes<Pairs> of_b;
      load_b<kBTransposed>(warp, b, 8 * k, 8 * n, of_b);
      TIDEMARK_UNROLL
      for (int m = 0; m < kDown; ++m) {
        warp.template multiply<0>(a[m], of_b, sums[m][n]);
        warp.template multiply<1>(a[m], of_b, sums[m][n + 1]);
      }
    }
  }
}

/// Columns [begin, begin + columns), whole chunks, of a matrix in memory.
struct Columns {
  const Bf16* data;
  int rows, stride, begin, columns;
};

/// kRows rows from `first` on, to shared memory, by all kWarps warps; zeros past the matrix's rows and
/// columns.
template <int kWarps, int kRows, int kColumns, typename Warp>
TIDEMARK_DEVICE_INLINE void copy_rows(Warp& warp, const Columns& from, int first, SharedTile<kColumns> to) {
  // A lane keeps to its column, so that one address steps down the rows. Of 12 or 24 chunks' rows, a quarter
  // of the lanes has none.
  constexpr int kAcross = kColumns / kChunk, kLanesAcross = kAcross <= 8 ? 8 : kAcross <= 16 ? 16 : 32;
  constexpr int kDown = kWarps * kWarpLanes / kLanesAcross;
  static_assert(kRows % kDown == 0);
  warp.each_lane([&](int lane) {
    const int at = warp.index() * kWarpLanes + lane, row = at / kLanesAcross;
    const int column = at % kLanesAcross * kChunk;
    if (column >= kColumns) return;
    // What differs between lanes is within 32 bits; what they share is not.
    const Bf16* source = from.data + int64_t{first} * from.stride + (row * from.stride + from.begin + column);
    // Rows that are left of the matrix; none in a column past its last.
    const int left = column < from.columns ? from.rows - first - row : 0;
    Bf16* const target = to.at(row, column);
    TIDEMARK_UNROLL
    for (int i = 0; i < kRows / kDown; ++i) {
      warp.copy(reinterpret_cast<Chunk*>(target + i * kDown * SharedTile<kColumns>::kLd),
                reinterpret_cast<const Chunk*>(source), i * kDown < left);
      source += kDown * from.stride;
    }
  });
}

/// The same of rows that lie anywhere: row i at source(i), or zeros where that is nullptr.
template <int kWarps, int kRows, int kColumns, typename Warp, typename Source>
TIDEMARK_DEVICE_INLINE void copy_each_row(Warp& warp, const Source& source, int columns,
                                          SharedTile<kColumns> to) {
  constexpr int kAcross = kColumns / kChunk, kLanes = kWarps * kWarpLanes;
  static_assert(kRows * kAcross % kLanes == 0);
  warp.each_lane([&](int lane) {
    TIDEMARK_UNROLL
    for (int i = 0; i < kRows * kAcross / kLanes; ++i) {
      const int at = i * kLanes + warp.index() * kWarpLanes + lane;
      const int row = at / kAcross, column = at % kAcross * kChunk;
      const Bf16* const from = source(row);
      const bool there = from != nullptr && column < columns;
      warp.copy(reinterpret_cast<Chunk*>(to.at(row, column)),
                reinterpret_cast<const Chunk*>(there ? from + column : nullptr), there);
    }
  });
}

/// Row first + i of a matrix of `rows` is sums' row i times factor(lane, i / 16, i / 8 % 2), rounded. It goes
/// by way of the tile's rows from `row` on, which the warp has for its own.
template <int kDown, int kAcross, int kColumns, typename Warp, typename Factor>
TIDEMARK_DEVICE_INLINE void store_rows(Warp& warp,
                                       const typename Warp::template Lanes<Sums> (&sums)[kDown][kAcross],
                                       const Factor& factor, SharedTile<kColumns> tile, int row, Bf16* to,
                                       int stride, int first, int rows, int columns) {
  static_assert(8 * kAcross <= kColumns && kAcross % 2 == 0);
  warp.sync();
  warp.each_lane([&](int lane) {
    TIDEMARK_UNROLL
    for (int m = 0; m < kDown; ++m) TIDEMARK_UNROLL
    for (int half = 0; half < 2; ++half) {
      const float times = factor(lane, m, half);
      TIDEMARK_UNROLL
      for (int n = 0; n < kAcross; ++n) {
        const Sums& of = sums[m][n][lane];
        Warp::store(tile.at(row + 16 * m + c_row(lane, 2 * half), 8 * n + c_column(lane, 0)),
                    times * of.x[2 * half], times * of.x[2 * half + 1]);
      }
    }
  });
  warp.sync();
  warp.each_lane([&](int lane) {
    TIDEMARK_UNROLL
    for (int i = 0; i < 16 * kDown * kAcross / kWarpLanes; ++i) {
      const int at = i * kWarpLanes + lane, down = at / kAcross, column = at % kAcross * kChunk;
      if (first + down < rows && column < columns)
        *reinterpret_cast<Chunk*>(to + int64_t{first + down} * stride + column) =
            *reinterpret_cast<const Chunk*>(tile.at(row + down, column));
    }
  });
}

/// Rows of sums that stand transposed, [16 columns, 16 rows], to to(row), where that is not null. What
/// value(row, column, sum) returns is stored, by way of `staged`, whose first 16 rows and columns the warp
/// has for its own; value may read there what it is for.
template <int kColumns, typename Warp, typename Value, typename To>
TIDEMARK_DEVICE_INLINE void store_transposed(Warp& warp, SharedTile<kColumns> staged,
                                             const typename Warp::template Lanes<Sums>& first,
                                             const typename Warp::template Lanes<Sums>& second, int columns,
                                             const Value& value, const To& to) {
  warp.sync();
  warp.each_lane([&](int lane) {
    TIDEMARK_UNROLL
    for (int part = 0; part < 2; ++part) TIDEMARK_UNROLL
    for (int i = 0; i < 4; ++i) {
      const int row = 8 * part + c_column(lane, i), column = c_row(lane, i);
      store(staged.at(row, column), value(row, column, (part ? second : first)[lane].x[i]));
    }
  });
  warp.sync();
  warp.each_lane([&](int lane) {
    const int row = lane / 2, column = lane % 2 * kChunk;
    Bf16* const at = to(row);
    if (at && column < columns)
      *reinterpret_cast<Chunk*>(at + column) = *reinterpret_cast<const Chunk*>(staged.at(row, column));
  });
}

/// Rows in f32, straight to memory.
template <int kDown, int kAcross, typename Warp, typename Factor>
TIDEMARK_DEVICE_INLINE void store_sums(Warp& warp,
                                       const typename Warp::template Lanes<Sums> (&sums)[kDown][kAcross],
                                       const Factor& factor, float* to, int stride, int first, int rows,
                                       int columns) {
  warp.each_lane([&](int lane) {
    TIDEMARK_UNROLL
    for (int m = 0; m < kDown; ++m) TIDEMARK_UNROLL
    for (int half = 0; half < 2; ++half) {
      const int row = first + 16 * m + c_row(lane, 2 * half);
      const float times = factor(lane, m, half);
      TIDEMARK_UNROLL
      for (int n = 0; n < kAcross; ++n) {
        const int column = 8 * n + c_column(lane, 0);
        if (row >= rows || column >= columns) continue;
        float* const at = to + int64_t{row} * stride + column;
        at[0] = times * sums[m][n][lane].x[2 * half];
        at[1] = times * sums[m][n][lane].x[2 * half + 1];
      }
    }
  });
}

}  // namespace tidemark::device
