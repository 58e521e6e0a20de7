#pragma once

#include "executor/ops/recurrent_device.h"

namespace tidemark::ops {

// One product over all rows, with h of the time that each row's gates read gathered beside them.
template <typename T, typename Device>
void recurrent_weight_grad_typed(const KernelArgs& args, Device& device) {
  const OpView& op = args.op;
  const int64_t rows = op.in(0).shape[0], columns = op.in(0).shape[1], hidden = op.in(1).shape[1];
  const int64_t times = op.in(2).shape[0], tail = op.has_in(3) ? op.in(3).shape[1] : 0;
  const int64_t from = op.attributes().flag("reverse") ? 1 : -1;
  const T* const h = args.in<T>(1);
  const int32_t* const sizes = args.in<int32_t>(2);
  auto* const at = static_cast<std::byte*>(args.workspace) + cuda::kMatmulWorkspace;
  auto* const first = reinterpret_cast<int32_t*>(at);
  auto* const read = reinterpret_cast<T*>(at + cuda::recurrent_first_bytes(times));
  find_first_rows(device, sizes, times, first);
  device.each(
      rows * hidden, TIDEMARK_BODY(int64_t i) {
        const int64_t row = i / hidden, time = device::sequence_at(first, times + 1, row);
        const int64_t sequence = row - first[time], source = time + from;
        const bool reads = time < times && source >= 0 && source < times && sequence < sizes[source];
        read[i] = reads ? h[(first[source] + sequence) * hidden + i % hidden] : T{};
      });

  const auto multiply = [&](const T* gates, int64_t ld, int64_t begin, int64_t width) {
    device::Matmul p;
    p.m = width;
    p.n = p.ldb = p.ldc = hidden;
    p.k = rows;
    p.a = gates;
    p.lda = ld;
    p.a_transposed = true;
    p.b = read;
    p.c = args.out<T>(0) + begin * hidden;
    p.start = op.has_in(4) ? p.c : nullptr;
    p.dtype = p.c_dtype = op.in(0).dtype;
    p.workspace = args.workspace;
    if (width > 0) device.matmul(p);
  };
  multiply(args.in<T>(0), columns, 0, columns - tail);
  if (tail > 0) multiply(args.in<T>(3), tail, columns - tail, tail);
}

template <typename Device>
void recurrent_weight_grad_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(0), recurrent_weight_grad_typed, args, device);
}

}  // namespace tidemark::ops
