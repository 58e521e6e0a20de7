#pragma once

#include "executor/ops/device_operands.h"

namespace tidemark::ops {

template <typename T, typename Device>
void latent_heads_typed(const KernelArgs& args, Device& device) {
  const int64_t heads = args.op.attributes().integer("heads");
  const int64_t keys = args.op.attributes().integer("key_columns");
  const int64_t values = args.op.attributes().integer("value_columns");
  const int64_t shared_columns = args.op.in(1).shape[1], width = keys + shared_columns + values;
  const T* const kv = args.in<T>(0);
  const T* const shared = args.in<T>(1);
  T* const k = args.out<T>(0);
  T* const v = args.out<T>(1);
  device.each(
      args.op.in(0).shape[0] * heads * width, TIDEMARK_BODY(int64_t i) {
        const int64_t head = i / width, column = i % width;
        const T* const from = kv + head * (keys + values);
        T* const to = k + head * (keys + shared_columns);
        if (column < keys)
          to[column] = from[column];
        else if (column < keys + shared_columns)
          to[column] = shared[head / heads * shared_columns + column - keys];
        else
          v[head * values + column - keys - shared_columns] = from[column - shared_columns];
      });
}

template <typename T, typename Device>
void latent_heads_grad_typed(const KernelArgs& args, Device& device) {
  const int64_t heads = args.op.attributes().integer("heads");
  const int64_t keys = args.op.attributes().integer("key_columns");
  const int64_t values = args.op.attributes().integer("value_columns");
  const int64_t shared_columns = args.op.out(1).shape[1], width = keys + shared_columns;
  const T* const dk = args.in<T>(0);
  const T* const dv = args.in<T>(1);
  T* const dkv = args.out<T>(0);
  T* const dshared = args.out<T>(1);
  device.each(
      args.op.out(0).shape.elements(), TIDEMARK_BODY(int64_t i) {
        const int64_t head = i / (keys + values), column = i % (keys + values);
        dkv[i] = column < keys ? dk[head * width + column] : dv[head * values + column - keys];
      });
  device.each(
      args.op.out(1).shape.elements(), TIDEMARK_BODY(int64_t i) {
        const int64_t row = i / shared_columns, column = i % shared_columns;
        float total = 0;
        for (int64_t head = row * heads; head < (row + 1) * heads; ++head)
          total += device::to_float(dk[head * width + keys + column]);
        device::store(dshared + i, total);
      });
}

template <typename Device>
void latent_heads_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(0), latent_heads_typed, args, device);
}
template <typename Device>
void latent_heads_grad_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(0), latent_heads_grad_typed, args, device);
}

}  // namespace tidemark::ops
