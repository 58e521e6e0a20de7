// What both forms of the gradient of Mamba-2's scan share on a device.
#pragma once

#include "executor/device/piece.h"
#include "executor/ops/column_sum_device.h"
#include "executor/ops/ssd_scan_device_rows.h"

namespace tidemark::ops {

/// What a row's step receives where its delta receives `of_delta`; added to ddt.
template <typename T>
TIDEMARK_DEVICE_INLINE float ssd_step_back(const DeviceSsd<T>& s, int64_t row, int64_t head, float of_delta,
                                           T* ddt) {
  const float step = s.step(row, head), soft = softplus(step);
  const bool within = soft >= s.dt_min && soft <= s.dt_max;
  const float dstep = within ? of_delta * device::sigmoid(step) : 0.0f;
  T* const to = ddt + row * s.dt_stride + head;
  device::store(to, device::to_float(*to) + dstep);
  return dstep;
}

/// dy x of each head, of parts of the rows: a block has a head's, a lane kPiece columns of some rows.
template <int kPiece, typename T, typename Device>
void ssd_of_d_in_pieces(Device& device, const DeviceSsd<T>& s, const T* dy, float* of_d) {
  using Group = typename Device::Group;
  constexpr int kLanes = 128;
  device.launch(
      cuda::row_parts(s.rows) * s.heads, kLanes, 0, TIDEMARK_BODY(Group & group, int64_t index) {
        const int64_t begin = index / s.heads * cuda::kPartRows, head = index % s.heads;
        const int rows = static_cast<int>(device::smaller<int64_t>(s.rows - begin, cuda::kPartRows));
        const int across = static_cast<int>(s.columns) / kPiece;
        const T* const of_y = dy + (begin * s.heads + head) * s.columns;
        const T* const x = s.xbc + begin * s.stride + head * s.columns;
        const float sum = group.template sum<float>(rows * across, [&](int64_t i) {
          const int row = static_cast<int>(i) / across, column = static_cast<int>(i) % across * kPiece;
          float of_row[kPiece], x_of_row[kPiece], dot = 0;
          device::load_piece<kPiece>(of_y + row * s.heads * s.columns + column).to_floats(of_row);
          device::load_piece<kPiece>(x + row * s.stride + column).to_floats(x_of_row);
          TIDEMARK_UNROLL
          for (int p = 0; p < kPiece; ++p) dot = fmaf(of_row[p], x_of_row[p], dot);
          return dot;
        });
        group.each(1, [&](int64_t) { of_d[index] = sum; });
      });
}
template <typename T, typename Device>
void ssd_of_d(Device& device, const DeviceSsd<T>& s, const T* dy, float* of_d) {
  constexpr int kPiece = 16 / sizeof(T);
  if (device::holds_pieces<kPiece>(dy, s.columns) && device::holds_pieces<kPiece>(s.xbc, s.stride))
    ssd_of_d_in_pieces<kPiece>(device, s, dy, of_d);
  else
    ssd_of_d_in_pieces<1>(device, s, dy, of_d);
}

/// dB and dC, to their columns of dxbc; of either, `sets` parts that lie `stride` apart.
template <typename T, typename Device>
void ssd_store_group(Device& device, const DeviceSsd<T>& s, const float* db, const float* dc, int64_t sets,
                     int64_t stride, T* dxbc) {
  const int64_t per_row = s.groups * s.states;
  device.each(
      s.rows * per_row, TIDEMARK_BODY(int64_t i) {
        float of_b = 0, of_c = 0;
        for (int64_t set = 0; set < sets; ++set) {
          of_b += db[set * stride + i];
          of_c += dc[set * stride + i];
        }
        T* const to = dxbc + i / per_row * s.stride + s.heads * s.columns + i % per_row;
        device::store(to, of_b);
        device::store(to + per_row, of_c);
      });
}

/// The gradients of A_log, D and dt_bias: sums of as many parts of the first and the last as `parts`.
template <typename T, typename Device>
void ssd_sum_up(const KernelArgs& args, Device& device, const DeviceSsd<T>& s, const float* of_a,
                const float* of_d, const float* of_dt_bias, int64_t parts) {
  const auto sum_up = [&](const float* of, int64_t rows, int output) {
    sum_columns<float, float>(device, of, rows, s.heads, s.heads, nullptr, args.out<float>(output));
  };
  sum_up(of_a, parts, 2);
  sum_up(of_d, cuda::row_parts(s.rows), 3);
  sum_up(of_dt_bias, parts, 4);
}

}  // namespace tidemark::ops
