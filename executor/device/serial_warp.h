// The host's double of a warp on tensor cores: 32 lanes that take turns, with fragments laid out as theirs.
#pragma once

#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "executor/device/warp_tile.h"

namespace tidemark::device {

/// A copy to shared memory that is under way until its phase ends.
struct SerialCopy {
  void* to;
  const void* from;  ///< nullptr: zeros
  size_t bytes;

  void land() const { from ? std::memcpy(to, from, bytes) : std::memset(to, 0, bytes); }
};

class SerialWarp {
 public:
  template <typename T>
  using Lanes = std::array<T, kWarpLanes>;

  /// Copies are appended to `pending`; where that is nullptr they land at once.
  SerialWarp(int index, bool backwards, std::vector<SerialCopy>* pending)
      : index_(index), backwards_(backwards), pending_(pending) {}

  int index() const { return index_; }

  template <typename F>
  void each_lane(const F& f) {
    for (int i = 0; i < kWarpLanes; ++i) f(backwards_ ? kWarpLanes - 1 - i : i);
  }
  /// Lanes see what others wrote to memory before.
  void sync() {}

  /// ldmatrix: four matrices of 8 x 8, whose rows' addresses 8 lanes each give. A lane gets two neighbours of
  /// a row, or, transposed, of a column. It must not wait for banks of shared memory.
  template <bool kTransposed, typename Address>
  void load(Lanes<Pairs>& to, const Address& address) {
    for (int matrix = 0; matrix < 4; ++matrix) {
      const Bf16* rows[8];
      unsigned banks = 0;
      for (int row = 0; row < 8; ++row) {
        rows[row] = address(8 * matrix + row);
        const auto at = reinterpret_cast<uintptr_t>(rows[row]);
        if (at % sizeof(Chunk) != 0) throw InternalError("ldmatrix of a row that is not aligned");
        banks |= 1u << at / sizeof(Chunk) % 8;
      }
      if (banks != 0xff) throw InternalError("ldmatrix of rows that share banks");
      for (int lane = 0; lane < kWarpLanes; ++lane) {
        const int row = lane / 4, column = lane % 4 * 2;
        const Bf16 first = kTransposed ? rows[column][row] : rows[row][column];
        const Bf16 second = kTransposed ? rows[column + 1][row] : rows[row][column + 1];
        to[static_cast<size_t>(lane)].x[matrix] = first.bits | static_cast<uint32_t>(second.bits) << 16;
      }
    }
  }

  /// c += a b, of the half of b's columns.
  template <int kHalf>
  void multiply(const Lanes<Pairs>& a, const Lanes<Pairs>& b, Lanes<Sums>& c) {
    float of_a[16][16], of_b[16][8];
    for (int lane = 0; lane < kWarpLanes; ++lane) {
      const auto at = static_cast<size_t>(lane);
      for (int half = 0; half < 2; ++half) {
        for (int i = 0; i < 4; ++i) of_a[a_row(lane, i)][a_k(lane, i, half)] = half_of(a[at].x[i], half);
        for (int i = 0; i < 2; ++i)
          of_b[b_k(lane, i, half)][b_column(lane)] = half_of(b[at].x[2 * kHalf + i], half);
      }
    }
    float of_c[16][8] = {};
    for (int row = 0; row < 16; ++row)
      for (int k = 0; k < 16; ++k)
        for (int column = 0; column < 8; ++column) of_c[row][column] += of_a[row][k] * of_b[k][column];
    for (int lane = 0; lane < kWarpLanes; ++lane)
      for (int i = 0; i < 4; ++i)
        c[static_cast<size_t>(lane)].x[i] += of_c[c_row(lane, i)][c_column(lane, i)];
  }

  /// Combines what the four lanes of a row have by op, which must not care for the order of two.
  template <typename Op>
  void each_quad(Lanes<RowPair>& rows, const Op& op) {
    for (size_t step : {1, 2}) {
      const Lanes<RowPair> before = rows;
      for (size_t lane = 0; lane < kWarpLanes; ++lane)
        for (int half = 0; half < 2; ++half)
          rows[lane].x[half] = op(before[lane].x[half], before[lane ^ step].x[half]);
    }
  }

  /// Lanes whose numbers differ in the one bit of `step` exchange what they have.
  void exchange(Lanes<float>& x, int step) {
    const Lanes<float> before = x;
    for (size_t lane = 0; lane < kWarpLanes; ++lane) x[lane] = before[lane ^ static_cast<size_t>(step)];
  }

  /// Copies sizeof(T) bytes, or zeros, to shared memory; they are there when the phase has ended.
  template <typename T>
  void copy(T* to, const T* from, bool there) {
    const SerialCopy copy{to, there ? from : nullptr, sizeof(T)};
    pending_ ? pending_->push_back(copy) : copy.land();
  }

  static void store(Bf16* at, float first, float second) {
    device::store(at, first);
    device::store(at + 1, second);
  }

 private:
  int index_;
  bool backwards_;
  std::vector<SerialCopy>* pending_;
};

/// What each warp of a block holds in registers from phase to phase; at first it holds anything.
template <typename T, int kWarps>
class SerialRegisters {
 public:
  SerialRegisters() : of_warp_(kWarps) { std::memset(of_warp_.data(), 0xff, kWarps * sizeof(T)); }
  T& operator[](const SerialWarp& warp) { return of_warp_[static_cast<size_t>(warp.index())]; }

 private:
  static_assert(std::is_trivially_copyable_v<T>);
  std::vector<T> of_warp_;
};

}  // namespace tidemark::device
