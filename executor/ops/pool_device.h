#pragma once

#include "executor/ops/device_operands.h"

namespace tidemark::ops {

/// The rows of a sequence that the pooled one is the mean of.
struct PooledRows {
  int64_t begin, end;
  float weight;

  TIDEMARK_HOST_DEVICE PooledRows(const int32_t* cu_seqlens, int64_t sequence, bool mean)
      : begin(cu_seqlens[sequence]), end(cu_seqlens[sequence + 1]) {
    if (!mean && begin < end) begin = end - 1;
    weight = begin < end ? 1.0f / static_cast<float>(end - begin) : 0.0f;
  }
};

template <typename T, typename Device>
void pool_typed(const KernelArgs& args, Device& device) {
  const int64_t columns = args.op.in(0).shape[1];
  const bool mean = args.op.attributes().text("mode") == "mean";
  const T* const x = args.in<T>(0);
  const int32_t* const cu_seqlens = args.in<int32_t>(1);
  T* const y = args.out<T>(0);
  device.each(
      args.op.out(0).shape.elements(), TIDEMARK_BODY(int64_t i) {
        constexpr int64_t kPiece = 64;  // rows: rounding errors grow with the pieces and the rows of one
        const PooledRows rows(cu_seqlens, i / columns, mean);
        float total = 0;
        for (int64_t row = rows.begin; row < rows.end;) {
          float sum = 0;
          for (const int64_t end = device::smaller(row + kPiece, rows.end); row < end; ++row)
            sum += device::to_float(x[row * columns + i % columns]);
          total += sum;
        }
        device::store(y + i, total * rows.weight);
      });
}

template <typename T, typename Device>
void pool_grad_typed(const KernelArgs& args, Device& device) {
  using Group = typename Device::Group;
  const int64_t columns = args.op.in(0).shape[1], entries = args.op.in(1).shape[0];
  const bool mean = args.op.attributes().text("mode") == "mean";
  const T* const dy = args.in<T>(0);
  const int32_t* const cu_seqlens = args.in<int32_t>(1);
  T* const dx = args.out<T>(0);
  device.launch(
      args.op.out(0).shape[0], kRowLanes, 0, TIDEMARK_BODY(Group & group, int64_t row) {
        const int64_t sequence = device::sequence_at(cu_seqlens, entries, row);
        const PooledRows rows(cu_seqlens, sequence, mean);
        const float weight = row < rows.begin ? 0.0f : rows.weight;
        group.each(columns, [&](int64_t i) {
          device::store(dx + row * columns + i, device::to_float(dy[sequence * columns + i]) * weight);
        });
      });
}

template <typename Device>
void pool_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(0), pool_typed, args, device);
}
template <typename Device>
void pool_grad_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(0), pool_grad_typed, args, device);
}

}  // namespace tidemark::ops
