// Mamba's scan of few states in registers: four lanes have a channel, each some of its states; a warp has
// neighbouring channels. A block brings a tile's rows to shared memory, in whole sectors, and takes its
// results from there.
#pragma once

#include <initializer_list>

#include "base/error.h"
#include "executor/device/piece.h"
#include "executor/device/warp_tile.h"
#include "executor/ops/selective_scan_device_rows.h"

namespace tidemark::ops {

/// What both directions share.
template <typename T, int kPiece_>
struct ScanWarps {
  static constexpr int kPiece = kPiece_;  ///< channels that a lane reads or writes at once
  static constexpr int kWarps = 8, kWarpChannels = 8, kChannels = kWarps * kWarpChannels;
  static constexpr int kLanes = kWarps * device::kWarpLanes;
  static constexpr int kStates = 16, kOfLane = kStates / 4;
  static constexpr int kRows = 16;  ///< of a tile
  /// Of rows of sums in shared memory: the four lanes of a channel write to banks of their own.
  static constexpr int kSumStride = kChannels + 8;

  DeviceScan<T> s;

  struct Block {
    int first, channels, begin, end;
  };
  TIDEMARK_HOST_DEVICE Block block_of(int64_t index) const {
    const int first = static_cast<int>(index % s.blocks) * kChannels;
    const int64_t sequence = index / s.blocks;
    return {first, device::smaller(kChannels, static_cast<int>(s.channels) - first), s.cu_seqlens[sequence],
            s.cu_seqlens[sequence + 1]};
  }

  /// f(row, column) for the pieces of `rows` rows of a block, a phase of the group. What it does of a column
  /// that is not there must do no harm.
  template <typename Group, typename F>
  static TIDEMARK_DEVICE_INLINE void each_piece(Group& group, int rows, const F& f) {
    constexpr int kAcross = kChannels / kPiece;
    group.each(rows * kAcross,
               [&](int64_t i) { f(static_cast<int>(i) / kAcross, static_cast<int>(i) % kAcross * kPiece); });
  }
  using Floats = float[kPiece];
  /// Elements of a row that begin with `at`, or zeros.
  template <typename Element>
  static TIDEMARK_DEVICE_INLINE void load(const Element* at, bool there, Floats& x) {
    device::Piece<Element, kPiece> piece = {};
    if (there) piece = device::load_piece<kPiece>(at);
    piece.to_floats(x);
  }

  /// D and dt's bias of the block's channels, or zeros.
  template <typename Group>
  TIDEMARK_DEVICE_INLINE void load_parameters(Group& group, const Block& block, float* d,
                                              float* dt_bias) const {
    group.each(kChannels, [&](int64_t i) {
      d[i] = i < block.channels ? s.d[block.first + i] : 0.0f;
      dt_bias[i] = i < block.channels ? s.dt_bias[block.first + i] : 0.0f;
    });
  }
  /// Rows' time steps and u, [rows, kChannels]; B and C, [rows, 2 * kStates].
  template <typename Group>
  TIDEMARK_DEVICE_INLINE void load_rows(Group& group, const Block& block, int begin, int rows,
                                        const float* dt_bias, float* delta, float* u, float* bc) const {
    each_piece(group, rows, [&](int row, int column) {
      const bool there = column < block.channels;
      const int64_t at = (begin + row) * s.channels + block.first + column;
      Floats of_u, of_dt;
      load(s.u + at, there, of_u);
      load(s.dt + at, there, of_dt);
      TIDEMARK_UNROLL
      for (int i = 0; i < kPiece; ++i) {
        delta[row * kChannels + column + i] = softplus(of_dt[i] + dt_bias[column + i]);
        u[row * kChannels + column + i] = of_u[i];
      }
    });
    group.each(rows * 2 * kStates, [&](int64_t i) {
      const int row = static_cast<int>(i) / (2 * kStates), n = static_cast<int>(i) % kStates;
      const int64_t at = (begin + row) * 2 * s.states + n;
      const bool of_c = i / kStates % 2 != 0;
      bc[i] = n < s.states ? device::to_float(s.bc[of_c ? at + s.states : at]) : 0.0f;
    });
  }

  /// Of a lane: its channel in the block, and its first state.
  static TIDEMARK_DEVICE_INLINE int channel_of(int warp, int lane) { return warp * kWarpChannels + lane / 4; }
  static TIDEMARK_DEVICE_INLINE int state_of(int lane) { return lane % 4 * kOfLane; }

  /// A to base 2 of a lane's states; zeros of those that are not there.
  TIDEMARK_DEVICE_INLINE void load_a(const Block& block, int channel, int first, float (&a)[kOfLane]) const {
    TIDEMARK_UNROLL
    for (int n = 0; n < kOfLane; ++n)
      a[n] = channel < block.channels && first + n < s.states ? kLog2E * s.a(block.first + channel, first + n)
                                                              : 0.0f;
  }
  /// The states after a row. `bc`: B of a lane's states.
  template <typename Warp>
  static TIDEMARK_DEVICE_INLINE void step(const float (&a)[kOfLane], float delta, float u, const float* b,
                                          float (&h)[kOfLane]) {
    const float x = delta * u;
    TIDEMARK_UNROLL
    for (int n = 0; n < kOfLane; ++n) h[n] = fmaf(device::fast_exp2(delta * a[n]), h[n], b[n] * x);
  }
};

/// run(std::integral_constant<int, …>{}) with how many channels a lane may read or write at once of all rows:
/// those of s, those of z and those that `also` are, as wide as u.
template <typename T, typename Run>
void with_scan_pieces(const DeviceScan<T>& s, std::initializer_list<const T*> also, const Run& run) {
  constexpr int kPiece = 4;
  bool wide = device::holds_pieces<kPiece>(s.z, s.z_stride) &&
              device::holds_pieces<kPiece>(s.u, s.channels) && device::holds_pieces<kPiece>(s.dt, s.channels);
  for (const T* at : also) wide = wide && device::holds_pieces<kPiece>(at, s.channels);
  wide ? run(std::integral_constant<int, kPiece>{}) : run(std::integral_constant<int, 1>{});
}

template <typename Device, typename Kernel>
void run_scan(Device& device, const Kernel& kernel) {
  if (kernel.s.lanes != Kernel::kChannels) throw InternalError("a scan in registers of other blocks");
  device.template launch_warps<Kernel::kWarps, Kernel::kBlocks>(kernel.s.sequences * kernel.s.blocks,
                                                                Kernel::kShared, kernel);
}

/// The sums, over lanes that differ in the bits `step`, step / 2 … of their numbers, of kCount values of
/// each: a lane gets one of them, the upper half where the first bit is set, of that the upper half where the
/// next is …
template <int kCount, typename Warp>
TIDEMARK_DEVICE_INLINE void sum_apart(Warp& warp, typename Warp::template Lanes<float> (&values)[kCount],
                                      int step, typename Warp::template Lanes<float>& sum) {
  typename Warp::template Lanes<float> kept[kCount / 2], given[kCount / 2];
  TIDEMARK_UNROLL
  for (int i = 0; i < kCount / 2; ++i) {
    warp.each_lane([&](int lane) {
      const bool upper = (lane & step) != 0;
      kept[i][lane] = upper ? values[kCount / 2 + i][lane] : values[i][lane];
      given[i][lane] = upper ? values[i][lane] : values[kCount / 2 + i][lane];
    });
    warp.exchange(given[i], step);
    warp.each_lane([&](int lane) { kept[i][lane] += given[i][lane]; });
  }
  if constexpr (kCount > 2)
    sum_apart(warp, kept, step / 2, sum);
  else
    warp.each_lane([&](int lane) { sum[lane] = kept[0][lane]; });
}

template <typename T, int kPiece>
struct ScanForwardWarps : ScanWarps<T, kPiece> {
  using Base = ScanWarps<T, kPiece>;
  using Base::kChannels, Base::kRows, Base::kStates, Base::kOfLane, Base::kWarps, Base::kSumStride, Base::s;
  static constexpr int kBlocks = 4;
  static constexpr int kShared = 4 * (kRows * (2 * kChannels + 2 * kStates + kSumStride) + 2 * kChannels);

  T* y = nullptr;
  float* states = nullptr;

  struct Own {
    float a[kOfLane], h[kOfLane];
  };
  template <typename Warp>
  using State = typename Warp::template Lanes<Own>;

  template <typename Group>
  TIDEMARK_DEVICE void operator()(Group& group, int64_t index) const {
    using Warp = typename Group::Warp;
    const auto block = this->block_of(index);
    float* const delta = group.template shared<float>();
    float* const u = delta + kRows * kChannels;
    float* const bc = u + kRows * kChannels;
    float* const scanned = bc + kRows * 2 * kStates;
    float* const d = scanned + kRows * kSumStride;
    float* const dt_bias = d + kChannels;
    this->load_parameters(group, block, d, dt_bias);
    typename Group::template Registers<State<Warp>, kWarps> registers;
    group.template warps<kWarps>([&](Warp& warp) {
      warp.each_lane([&](int lane) {
        const int channel = this->channel_of(warp.index(), lane), first = this->state_of(lane);
        Own& own = registers[warp][lane];
        this->load_a(block, channel, first, own.a);
        TIDEMARK_UNROLL
        for (int n = 0; n < kOfLane; ++n) own.h[n] = 0;
        // A chunk's state is the one before its first row, also where a sequence begins with it.
        if (block.begin == 0 && block.end > 0) save(block, channel, first, 0, own.h);
      });
    });
    for (int begin = block.begin; begin < block.end; begin += kRows) {
      const int rows = device::smaller(kRows, block.end - begin);
      this->load_rows(group, block, begin, rows, dt_bias, delta, u, bc);
      group.template warps<kWarps>([&](Warp& warp) {
        TIDEMARK_UNROLL
        for (int first_row = 0; first_row < kRows; first_row += 4) {
          if (first_row >= rows) break;
          typename Warp::template Lanes<float> sums[4], sum;
          warp.each_lane([&](int lane) {
            const int channel = this->channel_of(warp.index(), lane), first = this->state_of(lane);
            Own& own = registers[warp][lane];
            TIDEMARK_UNROLL
            for (int i = 0; i < 4; ++i) {
              const int row = first_row + i;
              sums[i][lane] = 0;
              if (row >= rows) continue;
              const float* const b = bc + row * 2 * kStates + first;
              Base::template step<Warp>(own.a, delta[row * kChannels + channel], u[row * kChannels + channel],
                                        b, own.h);
              TIDEMARK_UNROLL
              for (int n = 0; n < kOfLane; ++n) sums[i][lane] = fmaf(b[kStates + n], own.h[n], sums[i][lane]);
              const int64_t next = int64_t{begin} + row + 1;
              if (next % s.chunk_rows == 0 && next < s.rows)
                save(block, channel, first, next / s.chunk_rows, own.h);
            }
          });
          sum_apart(warp, sums, 2, sum);
          warp.each_lane([&](int lane) {
            scanned[(first_row + lane % 4) * kSumStride + this->channel_of(warp.index(), lane)] = sum[lane];
          });
        }
      });
      this->each_piece(group, rows, [&](int row, int column) {
        if (column >= block.channels) return;
        const int64_t channel = block.first + column;
        float gate[kPiece], out[kPiece];
        this->load(s.z + (begin + row) * s.z_stride + channel, true, gate);
        TIDEMARK_UNROLL
        for (int i = 0; i < kPiece; ++i)
          out[i] =
              fmaf(d[column + i], u[row * kChannels + column + i], scanned[row * kSumStride + column + i]) *
              gate[i] * device::sigmoid(gate[i]);
        device::store_piece(y + (begin + row) * s.channels + channel, out);
      });
    }
  }

 private:
  template <typename Block>
  TIDEMARK_DEVICE_INLINE void save(const Block& block, int channel, int first, int64_t chunk,
                                   const float (&h)[kOfLane]) const {
    TIDEMARK_UNROLL
    for (int n = 0; n < kOfLane; ++n)
      if (channel < block.channels && first + n < s.states)
        states[s.saved(chunk, first + n, block.first + channel)] = h[n];
  }
};

}  // namespace tidemark::ops
