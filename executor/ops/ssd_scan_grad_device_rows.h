// What both forms of the gradient of Mamba-2's scan share on a device.
#pragma once

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

/// dy x of each head, of parts of the rows.
template <typename T, typename Device>
void ssd_of_d(Device& device, const DeviceSsd<T>& s, const T* dy, float* of_d) {
  device.each(
      cuda::row_parts(s.rows) * s.heads, TIDEMARK_BODY(int64_t i) {
        const int64_t part = i / s.heads, head = i % s.heads;
        const int64_t end = device::smaller(s.rows, (part + 1) * cuda::kPartRows);
        float sum = 0;
        for (int64_t row = part * cuda::kPartRows; row < end; ++row)
          for (int64_t p = 0; p < s.columns; ++p)
            sum = fmaf(device::to_float(dy[(row * s.heads + head) * s.columns + p]), s.x(row, head, p), sum);
        of_d[i] = sum;
      });
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
