// The gradient of Mamba's scan of few states, in registers as selective_scan_warp.h has them: of a chunk, the
// states before its tiles are made again first, then tile by tile from the last those after its rows.
#pragma once

#include "executor/ops/selective_scan_warp.h"

namespace tidemark::ops {

/// Where the gradients go that are sums over rows, over channels or over both.
struct ScanGradSums {
  float* of_bc = nullptr;  ///< [blocks of a sequence, rows, 2 * states]
  float* of_a = nullptr;   ///< [sequences, channels * states]
  float* of_d = nullptr;   ///< [sequences, channels], as the next
  float* of_dt_bias = nullptr;
};

template <typename T, int kPiece>
struct ScanBackWarps : ScanWarps<T, kPiece> {
  using Base = ScanWarps<T, kPiece>;
  using Base::kChannels, Base::kRows, Base::kStates, Base::kOfLane, Base::kWarps, Base::kSumStride, Base::s;
  static constexpr int kBlocks = 2;
  static constexpr int kChunkRows = 64, kTiles = kChunkRows / kRows;
  static constexpr int kBc = 2 * kStates;
  /// In floats: a chunk's time steps, u, B and C; a tile's gradients of what is gated and slopes of the gate,
  /// three sums of each row and channel, and each warp's of B and C; of each channel four numbers.
  static constexpr int kOfChunk = kChunkRows * (2 * kChannels + kBc);
  static constexpr int kOfTile = kRows * (2 * kChannels + 3 * kChannels + kWarps * kBc) + 2 * 8;
  static constexpr int kShared = 4 * (kOfChunk + kOfTile + 4 * kChannels);

  const T* dy = nullptr;
  T* du = nullptr;
  T* ddt = nullptr;
  T* dz = nullptr;  ///< its first column; added to
  const float* states = nullptr;
  ScanGradSums sums;

  struct Shared {
    float *delta, *u, *bc;         ///< of a chunk
    float *of_value, *slope;       ///< [rows, channels]
    float *scanned, *dx, *ddelta;  ///< the same, in other banks each
    float* of_bc;                  ///< [warps, rows, kBc]
    float *d, *dt_bias;            ///< [channels], as the next
    float *of_d, *of_dt_bias;

    TIDEMARK_DEVICE explicit Shared(float* at) {
      const auto take = [&at](int floats) {
        float* const taken = at;
        at += floats;
        return taken;
      };
      delta = take(kChunkRows * kChannels);
      u = take(kChunkRows * kChannels);
      bc = take(kChunkRows * kBc);
      of_value = take(kRows * kChannels);
      slope = take(kRows * kChannels);
      scanned = take(kRows * kChannels + 8);
      dx = take(kRows * kChannels + 8);
      ddelta = take(kRows * kChannels);
      of_bc = take(kWarps * kRows * kBc);
      d = take(kChannels);
      dt_bias = take(kChannels);
      of_d = take(kChannels);
      of_dt_bias = take(kChannels);
    }
  };
  /// Of a lane: A, what earlier rows receive, what A receives, and the states before a chunk's tiles.
  struct Own {
    float a[kOfLane], dh[kOfLane], da[kOfLane], before[kTiles][kOfLane];
  };
  template <typename Warp>
  using State = typename Warp::template Lanes<Own>;
  using Block = typename Base::Block;

  template <typename Group>
  TIDEMARK_DEVICE void operator()(Group& group, int64_t index) const {
    using Warp = typename Group::Warp;
    const Block block = this->block_of(index);
    const Shared shared(group.template shared<float>());
    typename Group::template Registers<State<Warp>, kWarps> registers;
    group.template warps<kWarps>([&](Warp& warp) {
      warp.each_lane([&](int lane) {
        Own& own = registers[warp][lane];
        this->load_a(block, this->channel_of(warp.index(), lane), this->state_of(lane), own.a);
        TIDEMARK_UNROLL
        for (int n = 0; n < kOfLane; ++n) own.dh[n] = own.da[n] = 0;
      });
    });
    this->load_parameters(group, block, shared.d, shared.dt_bias);
    group.each(kChannels, [&](int64_t i) { shared.of_d[i] = shared.of_dt_bias[i] = 0; });
    for (int end = block.end; end > block.begin;) {
      const int chunk = (end - 1) / static_cast<int>(s.chunk_rows);
      const int begin = device::larger(block.begin, chunk * static_cast<int>(s.chunk_rows));
      this->load_rows(group, block, begin, end - begin, shared.dt_bias, shared.delta, shared.u, shared.bc);
      group.template warps<kWarps>(
          [&](Warp& warp) { make_states(warp, block, chunk, begin, end - begin, shared, registers[warp]); });
      for (int tile = (end - begin - 1) / kRows; tile >= 0; --tile) {
        const int first = begin + tile * kRows, rows = device::smaller(kRows, end - first);
        begin_tile(group, block, first, rows, shared);
        group.template warps<kWarps>(
            [&](Warp& warp) { reverse_tile(warp, tile, rows, shared, registers[warp]); });
        store_tile(group, block, first, rows, shared, shared.delta + tile * kRows * kChannels,
                   shared.u + tile * kRows * kChannels);
        add_up(group, block, index, first, rows, shared, shared.u + tile * kRows * kChannels);
      }
      end = begin;
    }
    const int64_t sequence = index / s.blocks;
    group.template warps<kWarps>([&](Warp& warp) {
      warp.each_lane([&](int lane) {
        const int channel = this->channel_of(warp.index(), lane), first = this->state_of(lane);
        TIDEMARK_UNROLL
        for (int n = 0; n < kOfLane; ++n)
          if (channel < block.channels && first + n < s.states)
            sums.of_a[(sequence * s.channels + block.first + channel) * s.states + first + n] =
                registers[warp][lane].da[n];
      });
    });
    group.each(block.channels, [&](int64_t i) {
      const int64_t at = sequence * s.channels + block.first + i;
      sums.of_d[at] = shared.of_d[i];
      sums.of_dt_bias[at] = shared.of_dt_bias[i];
    });
  }

 private:
  /// The states before each tile of the rows of a chunk.
  template <typename Warp>
  TIDEMARK_DEVICE_INLINE void make_states(Warp& warp, const Block& block, int chunk, int begin, int rows,
                                          const Shared& shared, State<Warp>& state) const {
    const bool continues = block.begin < begin;
    warp.each_lane([&](int lane) {
      const int channel = this->channel_of(warp.index(), lane), first = this->state_of(lane);
      Own& own = state[lane];
      float h[kOfLane];
      TIDEMARK_UNROLL
      for (int n = 0; n < kOfLane; ++n)
        h[n] = continues && channel < block.channels && first + n < s.states
                   ? states[s.saved(chunk, first + n, block.first + channel)]
                   : 0.0f;
      TIDEMARK_UNROLL
      for (int tile = 0; tile < kTiles; ++tile) {
        TIDEMARK_UNROLL
        for (int n = 0; n < kOfLane; ++n) own.before[tile][n] = h[n];
        const int last = (tile + 1) * kRows;
        if (last >= rows) break;
        for (int row = tile * kRows; row < last; ++row)
          Base::template step<Warp>(own.a, shared.delta[row * kChannels + channel],
                                    shared.u[row * kChannels + channel], shared.bc + row * kBc + first, h);
      }
    });
  }

  /// What a tile's rows receive of dy: the scan's output, and the gate for each unit of it.
  template <typename Group>
  TIDEMARK_DEVICE_INLINE void begin_tile(Group& group, const Block& block, int first, int rows,
                                         const Shared& shared) const {
    this->each_piece(group, rows, [&](int row, int column) {
      const bool there = column < block.channels;
      float of_y[kPiece], gate[kPiece];
      this->load(dy + (first + row) * s.channels + block.first + column, there, of_y);
      this->load(s.z + (first + row) * s.z_stride + block.first + column, there, gate);
      TIDEMARK_UNROLL
      for (int i = 0; i < kPiece; ++i) {
        const float open = device::sigmoid(gate[i]);
        shared.of_value[row * kChannels + column + i] = of_y[i] * gate[i] * open;
        shared.slope[row * kChannels + column + i] = of_y[i] * open * fmaf(gate[i], 1.0f - open, 1.0f);
      }
    });
  }

  template <typename Warp>
  TIDEMARK_DEVICE_INLINE void reverse_tile(Warp& warp, int tile, int rows, const Shared& shared,
                                           State<Warp>& state) const {
    struct History {
      float h[kRows + 1][kOfLane];  ///< before the tile, and after each row
    };
    typename Warp::template Lanes<History> history;
    const float* const delta = shared.delta + tile * kRows * kChannels;
    const float* const u = shared.u + tile * kRows * kChannels;
    const float* const bc = shared.bc + tile * kRows * kBc;
    warp.each_lane([&](int lane) {
      const int channel = this->channel_of(warp.index(), lane), first = this->state_of(lane);
      Own& own = state[lane];
      float(&h)[kRows + 1][kOfLane] = history[lane].h;
      TIDEMARK_UNROLL
      for (int n = 0; n < kOfLane; ++n) {
        h[0][n] = own.before[0][n];
        TIDEMARK_UNROLL
        for (int i = 1; i < kTiles; ++i)
          if (i == tile) h[0][n] = own.before[i][n];
      }
      TIDEMARK_UNROLL
      for (int row = 0; row < kRows; ++row) {
        TIDEMARK_UNROLL
        for (int n = 0; n < kOfLane; ++n) h[row + 1][n] = h[row][n];
        if (row < rows)
          Base::template step<Warp>(own.a, delta[row * kChannels + channel], u[row * kChannels + channel],
                                    bc + row * kBc + first, h[row + 1]);
      }
    });
    TIDEMARK_UNROLL
    for (int row = kRows - 1; row >= 0; --row) {
      if (row >= rows) continue;
      typename Warp::template Lanes<float> of_bc[2 * kOfLane], of_row[4], sum;
      warp.each_lane([&](int lane) {
        const int channel = this->channel_of(warp.index(), lane), first = this->state_of(lane);
        const int at = row * kChannels + channel;
        const float step = delta[at], x = step * u[at], of_value = shared.of_value[at];
        const float* const b = bc + row * kBc + first;
        const float* const c = b + kStates;
        Own& own = state[lane];
        float scanned = 0, dx = 0, ddelta = 0;
        TIDEMARK_UNROLL
        for (int n = 0; n < kOfLane; ++n) {
          const float h = history[lane].h[row + 1][n], before = history[lane].h[row][n];
          const float grad = fmaf(c[n], of_value, own.dh[n]);
          scanned = fmaf(c[n], h, scanned);
          dx = fmaf(grad, b[n], dx);
          of_bc[n][lane] = grad * x;
          of_bc[kOfLane + n][lane] = of_value * h;
          const float passed = grad * device::fast_exp2(step * own.a[n]), exponent = passed * before;
          ddelta = fmaf(exponent, own.a[n], ddelta);
          own.da[n] = fmaf(exponent, step, own.da[n]);
          own.dh[n] = passed;
        }
        of_row[0][lane] = scanned;
        of_row[1][lane] = dx;
        of_row[2][lane] = ddelta;
        of_row[3][lane] = 0;
      });
      sum_apart(warp, of_row, 2, sum);
      warp.each_lane([&](int lane) {
        const int which = lane % 4, at = row * kChannels + this->channel_of(warp.index(), lane);
        if (which < 3) shared.scanned[which * (kRows * kChannels + 8) + at] = sum[lane];
      });
      sum_apart(warp, of_bc, 16, sum);
      warp.each_lane([&](int lane) {
        const int n = (lane >= 16 ? kStates : 0) + this->state_of(lane) + lane / 4 % 4;
        shared.of_bc[(warp.index() * kRows + row) * kBc + n] = sum[lane];
      });
    }
  }

  /// du, ddt and dz; what dt's bias receives of a row stays in ddelta's place.
  template <typename Group>
  TIDEMARK_DEVICE_INLINE void store_tile(Group& group, const Block& block, int first, int rows,
                                         const Shared& shared, const float* deltas, const float* us) const {
    this->each_piece(group, rows, [&](int row, int column) {
      if (column >= block.channels) return;
      const int64_t channel = block.first + column;
      float of_u[kPiece], of_dt[kPiece], of_z[kPiece];
      T* const to_z = dz + (first + row) * s.z_stride + channel;
      this->load(to_z, true, of_z);
      TIDEMARK_UNROLL
      for (int i = 0; i < kPiece; ++i) {
        const int at = row * kChannels + column + i;
        const float delta = deltas[at], u = us[at], skip = shared.d[column + i], dx = shared.dx[at];
        of_z[i] = fmaf(shared.slope[at], fmaf(skip, u, shared.scanned[at]), of_z[i]);
        of_u[i] = fmaf(dx, delta, skip * shared.of_value[at]);
        // The step's sigmoid is 1 - e^-softplus.
        of_dt[i] = fmaf(dx, u, kLn2 * shared.ddelta[at]) * -expm1f(-delta);
        shared.ddelta[at] = of_dt[i];
      }
      device::store_piece(to_z, of_z);
      device::store_piece(du + (first + row) * s.channels + channel, of_u);
      device::store_piece(ddt + (first + row) * s.channels + channel, of_dt);
    });
  }

  /// Of a tile, what B and C receive of the block's channels, and what D and dt's bias receive of the rows.
  template <typename Group>
  TIDEMARK_DEVICE_INLINE void add_up(Group& group, const Block& block, int64_t index, int first, int rows,
                                     const Shared& shared, const float* us) const {
    group.each(kRows * kBc + kChannels, [&](int64_t at) {
      const int i = static_cast<int>(at);
      if (i < kRows * kBc) {
        const int row = i / kBc, n = i % kStates, of_c = i / kStates % 2;
        if (row >= rows || n >= s.states) return;
        float sum = 0;
        TIDEMARK_UNROLL
        for (int warp = 0; warp < kWarps; ++warp) sum += shared.of_bc[warp * kRows * kBc + i];
        const int64_t to = (index % s.blocks * s.rows + first + row) * 2 * s.states;
        sums.of_bc[to + of_c * s.states + n] = sum;
      } else {
        const int channel = i - kRows * kBc;
        if (channel >= block.channels) return;
        float of_d = 0, of_dt_bias = 0;
        for (int row = rows - 1; row >= 0; --row) {
          const int of_row = row * kChannels + channel;
          of_d = fmaf(shared.of_value[of_row], us[of_row], of_d);
          of_dt_bias += shared.ddelta[of_row];
        }
        shared.of_d[channel] += of_d;
        shared.of_dt_bias[channel] += of_dt_bias;
      }
    });
  }
};

}  // namespace tidemark::ops
