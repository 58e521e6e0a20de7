// The causal convolution and its gradient on a device. A lane goes down a strip of rows with the last rows of
// its channels in registers, so that a kernel reads each element about once.
#pragma once

#include "base/divided.h"
#include "executor/device/piece.h"
#include "executor/ops/column_sum_device.h"
#include "graph/cuda_scan_workspace.h"

namespace tidemark::ops {

inline constexpr int kConvStripRows = 32;
inline constexpr int kConvStrips = cuda::kConvPartRows / kConvStripRows;  // of a block, a warp each
inline constexpr int kConvLanes = kConvStrips * 32;
inline constexpr int kConvBatch = 4;                // rows whose loads are under way at once
inline constexpr int kFewTaps = 4, kMostTaps = 16;  // which widths a lane's registers are for

template <typename T>
struct DeviceConv {
  int rows = 0, channels = 0, width = 0;
  int64_t stride = 0, entries = 0;
  const T* x = nullptr;       ///< its first column
  const T* weight = nullptr;  ///< [channels, width], the last tap is the current row's
  const T* bias = nullptr;    ///< nullptr: zero
  const int32_t* cu_seqlens = nullptr;
};

/// x, weight, bias and cu_seqlens are inputs `first` and the following.
template <typename T>
DeviceConv<T> device_conv(const KernelArgs& args, int first) {
  DeviceConv<T> c;
  c.rows = static_cast<int>(args.op.in(first).shape[0]);
  c.stride = args.op.in(first).shape[1];
  c.channels = static_cast<int>(args.op.in(first + 1).shape[0]);
  c.width = static_cast<int>(args.op.in(first + 1).shape[2]);
  c.entries = args.op.in(first + 3).shape[0];
  c.x = args.in<T>(first) + args.op.attributes().integer("first_column");
  c.weight = args.in<T>(first + 1);
  c.bias = args.op.has_in(first + 2) ? args.in<T>(first + 2) : nullptr;
  c.cu_seqlens = args.in<int32_t>(first + 3);
  return c;
}

/// A block's part of the work: a warp's width of lanes with kPiece channels each, and a strip of rows for
/// each warp. kTaps is at least the convolution's width.
template <typename T, int kPiece, int kTaps>
struct ConvBlock {
  static constexpr int kChannels = 32 * kPiece;
  static constexpr int kParameters = (kTaps + 1) * kChannels;  // taps, from the current row's back; then bias

  DeviceConv<T> c;
  int first_channel, channels, part;

  static int64_t count(const DeviceConv<T>& c) {
    return divided(c.channels, kChannels) * cuda::conv_parts(c.rows);
  }
  TIDEMARK_HOST_DEVICE ConvBlock(const DeviceConv<T>& conv, int64_t block) : c(conv) {
    const int groups = (c.channels + kChannels - 1) / kChannels;
    first_channel = static_cast<int>(block % groups) * kChannels;
    channels = device::smaller(kChannels, c.channels - first_channel);
    part = static_cast<int>(block / groups);
  }

  /// Into shared memory.
  template <typename Group>
  TIDEMARK_DEVICE void load_parameters(Group& group, float* parameters) const {
    const int taps = channels * c.width;
    group.each(taps + channels, [&](int64_t at) {
      const int i = static_cast<int>(at);
      if (i < taps) {
        const float tap = device::to_float(c.weight[static_cast<int64_t>(first_channel) * c.width + i]);
        parameters[(c.width - 1 - i % c.width) * kChannels + i / c.width] = tap;
      } else {
        const int channel = i - taps;
        parameters[kTaps * kChannels + channel] =
            c.bias ? device::to_float(c.bias[first_channel + channel]) : 0.0f;
      }
    });
  }
};

/// What a lane of a ConvBlock holds: of its channels the parameters, and x of the row that it is at and of
/// those before.
template <typename T, int kPiece, int kTaps>
struct ConvLane {
  using Piece = device::Piece<T, kPiece>;

  DeviceConv<T> c;
  int first_channel, begin, end;  ///< its strip
  float tap[kTaps][kPiece] = {}, bias[kPiece] = {};
  float x[kTaps][kPiece] = {};
  int64_t sequence = 0;
  int sequence_begin = 0, sequence_end = 0;

  TIDEMARK_DEVICE ConvLane(const ConvBlock<T, kPiece, kTaps>& block, int64_t lane, const float* parameters)
      : c(block.c) {
    const int column = static_cast<int>(lane % 32) * kPiece;
    first_channel = block.first_channel + column;
    begin = block.part * cuda::kConvPartRows + static_cast<int>(lane / 32) * kConvStripRows;
    end = column < block.channels ? device::smaller(c.rows, begin + kConvStripRows) : begin;
    if (end <= begin) {
      end = begin;
      return;
    }
    TIDEMARK_UNROLL
    for (int k = 0; k < kTaps; ++k) TIDEMARK_UNROLL
    for (int i = 0; i < kPiece; ++i)
      tap[k][i] = k < c.width ? parameters[k * block.kChannels + column + i] : 0.0f;
    TIDEMARK_UNROLL
    for (int i = 0; i < kPiece; ++i) bias[i] = parameters[kTaps * block.kChannels + column + i];
    TIDEMARK_UNROLL
    for (int k = 1; k < kTaps; ++k)
      if (k < c.width && k <= begin) load_x(begin - k).to_floats(x[k - 1]);
    sequence = device::sequence_at(c.cu_seqlens, c.entries, begin);
    sequence_begin = c.cu_seqlens[sequence];
    sequence_end = c.cu_seqlens[sequence + 1];
  }

  TIDEMARK_DEVICE_INLINE bool has(int row) const { return row >= begin && row < end; }
  TIDEMARK_DEVICE_INLINE Piece load_x(int row) const {
    return device::load_piece<kPiece>(c.x + row * c.stride + first_channel);
  }
  /// Goes to the next row.
  TIDEMARK_DEVICE_INLINE void next(const Piece& of_row) {
    TIDEMARK_UNROLL
    for (int k = kTaps - 1; k > 0; --k) TIDEMARK_UNROLL
    for (int i = 0; i < kPiece; ++i) x[k][i] = x[k - 1][i];
    of_row.to_floats(x[0]);
  }
  /// How many taps meet rows of the row's sequence; rows ascend.
  TIDEMARK_DEVICE_INLINE int taps(int row) {
    while (row >= sequence_end) {
      ++sequence;
      sequence_begin = sequence_end;
      sequence_end = c.cu_seqlens[sequence + 1];
    }
    return device::smaller(c.width, row - sequence_begin + 1);
  }
  /// Before the SiLU, of channel i. kAll: taps are kTaps.
  template <bool kAll>
  TIDEMARK_DEVICE_INLINE float convolved(int taps, int i) const {
    float y = bias[i];
    TIDEMARK_UNROLL
    for (int k = 0; k < kTaps; ++k)
      if (kAll || k < taps) y = fmaf(tap[k][i], x[k][i], y);
    return y;
  }
  template <bool kAll>
  TIDEMARK_DEVICE_INLINE void make_row(int taps, float (&y)[kPiece]) const {
    TIDEMARK_UNROLL
    for (int i = 0; i < kPiece; ++i) {
      const float v = convolved<kAll>(taps, i);
      y[i] = v * device::sigmoid(v);
    }
  }
};

template <typename T, int kPiece, int kTaps, typename Device>
void convolve(Device& device, const DeviceConv<T>& c, T* y) {
  using Group = typename Device::Group;
  using Block = ConvBlock<T, kPiece, kTaps>;
  device.template launch_warps<kConvStrips, 12 / kConvStrips>(
      Block::count(c), 4 * Block::kParameters, TIDEMARK_BODY(Group & group, int64_t index) {
        const Block block(c, index);
        float* const parameters = group.template shared<float>();
        block.load_parameters(group, parameters);
        group.each(kConvLanes, [&](int64_t i) {
          ConvLane<T, kPiece, kTaps> lane(block, i, parameters);
          T* to = y + static_cast<int64_t>(lane.begin) * c.channels + lane.first_channel;
          for (int row = lane.begin; row < lane.end; row += kConvBatch) {
            device::Piece<T, kPiece> x[kConvBatch] = {};
            TIDEMARK_UNROLL
            for (int j = 0; j < kConvBatch; ++j)
              if (row + j < lane.end) x[j] = lane.load_x(row + j);
            TIDEMARK_UNROLL
            for (int j = 0; j < kConvBatch; ++j, to += c.channels) {
              if (row + j >= lane.end) break;
              lane.next(x[j]);
              const int taps = lane.taps(row + j);
              float out[kPiece];
              taps == kTaps ? lane.template make_row<true>(taps, out)
                            : lane.template make_row<false>(taps, out);
              device::store_piece(to, out);
            }
          }
        });
      });
}

/// Rows of 16 bytes a lane where all of them allow it.
template <typename T, typename Device>
void causal_conv1d_typed(const KernelArgs& args, Device& device) {
  constexpr int kPiece = 16 / sizeof(T);
  const DeviceConv<T> c = device_conv<T>(args, 0);
  T* const y = args.out<T>(0);
  if (c.width <= kFewTaps && device::holds_pieces<kPiece>(c.x, c.stride) &&
      device::holds_pieces<kPiece>(y, c.channels))
    convolve<T, kPiece, kFewTaps>(device, c, y);
  else
    convolve<T, 1, kMostTaps>(device, c, y);
}

/// What a lane has of the gradient, too.
template <typename T, int kPiece, int kTaps>
struct ConvLaneBack : ConvLane<T, kPiece, kTaps> {
  using Lane = ConvLane<T, kPiece, kTaps>;
  using Lane::Lane, Lane::tap, Lane::x;

  float of_tap[kTaps][kPiece] = {}, of_bias[kPiece] = {};
  float dx[kTaps][kPiece] = {};  ///< of the rows that x are of

  /// Adds what comes of a row's dy. `own`: the row is of the strip, not one that follows it.
  template <bool kAll>
  TIDEMARK_DEVICE_INLINE void add_row(int taps, bool own, const float (&dy)[kPiece]) {
    TIDEMARK_UNROLL
    for (int i = 0; i < kPiece; ++i) {
      const float v = this->template convolved<kAll>(taps, i), s = device::sigmoid(v);
      const float g = dy[i] * s * fmaf(v, 1.0f - s, 1.0f), own_g = own ? g : 0.0f;
      of_bias[i] += own_g;
      TIDEMARK_UNROLL
      for (int k = 0; k < kTaps; ++k)
        if (kAll || k < taps) {
          dx[k][i] = fmaf(tap[k][i], g, dx[k][i]);
          of_tap[k][i] = fmaf(own_g, x[k][i], of_tap[k][i]);
        }
    }
  }
  TIDEMARK_DEVICE_INLINE void next(const typename Lane::Piece& of_row) {
    Lane::next(of_row);
    TIDEMARK_UNROLL
    for (int k = kTaps - 1; k >= 0; --k) TIDEMARK_UNROLL
    for (int i = 0; i < kPiece; ++i) dx[k][i] = k > 0 ? dx[k - 1][i] : 0.0f;
  }
};

// The convolution is made again for its gradient, which costs less than memory would.
template <typename T, int kPiece, int kTaps, typename Device>
void convolve_back(Device& device, const DeviceConv<T>& c, const T* dy, bool adds, T* dx, float* of_weight,
                   float* of_bias) {
  using Group = typename Device::Group;
  using Block = ConvBlock<T, kPiece, kTaps>;
  device.template launch_warps<kConvStrips, 12 / kConvStrips>(
      Block::count(c), 4 * (kConvStrips + 1) * Block::kParameters,
      TIDEMARK_BODY(Group & group, int64_t index) {
        const Block block(c, index);
        float* const parameters = group.template shared<float>();
        float* const parts = parameters + Block::kParameters;  // of each strip, what the parameters receive
        block.load_parameters(group, parameters);
        group.each(kConvLanes, [&](int64_t i) {
          ConvLaneBack<T, kPiece, kTaps> lane(block, i, parameters);
          // A strip's last rows receive from rows that follow it.
          const int last = device::smaller(c.rows, lane.end + c.width - 1);
          const int ready = lane.begin < lane.end ? lane.end + kTaps - 1 : lane.end;
          for (int row = lane.begin; row < ready; row += kConvBatch) {
            device::Piece<T, kPiece> x[kConvBatch] = {}, gradient[kConvBatch] = {}, start[kConvBatch] = {};
            T* const to = dx + (row - kTaps + 1) * c.stride + lane.first_channel;
            TIDEMARK_UNROLL
            for (int j = 0; j < kConvBatch; ++j) {
              if (row + j < last) {
                x[j] = lane.load_x(row + j);
                gradient[j] =
                    device::load_piece<kPiece>(dy + int64_t{row + j} * c.channels + lane.first_channel);
              }
              if (adds && lane.has(row + j - kTaps + 1))
                start[j] = device::load_piece<kPiece>(to + j * c.stride);
            }
            TIDEMARK_UNROLL
            for (int j = 0; j < kConvBatch; ++j) {
              lane.next(x[j]);
              const int taps = row + j < last ? lane.taps(row + j) : 0;
              const bool own = row + j < lane.end;
              float of_row[kPiece], out[kPiece];
              gradient[j].to_floats(of_row);
              taps == kTaps ? lane.template add_row<true>(taps, own, of_row)
                            : lane.template add_row<false>(taps, own, of_row);
              start[j].to_floats(out);
              TIDEMARK_UNROLL
              for (int e = 0; e < kPiece; ++e) out[e] += lane.dx[kTaps - 1][e];
              if (lane.has(row + j - kTaps + 1)) device::store_piece(to + j * c.stride, out);
            }
          }
          float* const part = parts + i / 32 * Block::kParameters + i % 32 * kPiece;
          TIDEMARK_UNROLL
          for (int e = 0; e < kPiece; ++e) {
            TIDEMARK_UNROLL
            for (int k = 0; k < kTaps; ++k) part[k * Block::kChannels + e] = lane.of_tap[k][e];
            part[kTaps * Block::kChannels + e] = lane.of_bias[e];
          }
        });
        const int taps = block.channels * c.width;
        group.each(taps + block.channels, [&](int64_t at) {
          const int i = static_cast<int>(at);
          const int parameter = i < taps ? (c.width - 1 - i % c.width) * Block::kChannels + i / c.width
                                         : kTaps * Block::kChannels + i - taps;
          float sum = 0;
          for (int strip = 0; strip < kConvStrips; ++strip)
            sum += parts[strip * Block::kParameters + parameter];
          const int64_t first = int64_t{block.part} * c.channels + block.first_channel;
          (i < taps ? of_weight[first * c.width + i] : of_bias[first + i - taps]) = sum;
        });
      });
}

template <typename T, typename Device>
void causal_conv1d_grad_typed(const KernelArgs& args, Device& device) {
  constexpr int kPiece = 4;  // of more, registers would be too few
  const DeviceConv<T> c = device_conv<T>(args, 1);
  const T* const dy = args.in<T>(0);
  const bool adds = args.op.has_in(5);
  if (!adds && c.channels < c.stride) device.zero(args.outputs[0], args.op.out(0).bytes());
  T* const dx = args.out<T>(0) + args.op.attributes().integer("first_column");
  const int64_t parts = cuda::conv_parts(c.rows), taps = int64_t{c.channels} * c.width;
  auto* const of_weight = static_cast<float*>(args.workspace);
  float* const of_bias = of_weight + parts * taps;
  if (c.width <= kFewTaps && device::holds_pieces<kPiece>(c.x, c.stride) &&
      device::holds_pieces<kPiece>(dx, c.stride) && device::holds_pieces<kPiece>(dy, c.channels))
    convolve_back<T, kPiece, kFewTaps>(device, c, dy, adds, dx, of_weight, of_bias);
  else
    convolve_back<T, 1, kMostTaps>(device, c, dy, adds, dx, of_weight, of_bias);
  sum_columns<float, T>(device, of_weight, parts, taps, taps, nullptr, args.out<T>(1));
  if (c.bias) sum_columns<float, T>(device, of_bias, parts, c.channels, c.channels, nullptr, args.out<T>(2));
}

template <typename Device>
void causal_conv1d_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(0), causal_conv1d_typed, args, device);
}
template <typename Device>
void causal_conv1d_grad_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(1), causal_conv1d_grad_typed, args, device);
}

}  // namespace tidemark::ops
