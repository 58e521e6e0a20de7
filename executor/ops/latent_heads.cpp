#include <cstring>

#include "executor/ops/all.h"
#include "executor/ops/latent_heads.h"
#include "executor/ops/operands.h"

namespace tidemark::ops {
namespace {

LatentHeads shape_of(const KernelArgs& args, const TensorType& k) {
  LatentHeads h;
  h.bf16 = is_bf16(k);
  h.heads = args.op.attributes().integer("heads");
  h.keys = args.op.attributes().integer("key_columns");
  h.values = args.op.attributes().integer("value_columns");
  h.shared_columns = columns_of(k) / h.heads - h.keys;
  return h;
}

}  // namespace

void latent_heads_cpu(const KernelArgs& args) {
  const TensorType& k_type = args.op.out(0);
  const LatentHeads h = shape_of(args, k_type);
  const auto item = static_cast<size_t>(size_of(k_type.dtype));
  const size_t keys = static_cast<size_t>(h.keys) * item, values = static_cast<size_t>(h.values) * item;
  const size_t shared = static_cast<size_t>(h.shared_columns) * item;
  parallel_rows(args.pool, rows_of(k_type), columns_of(k_type), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row)
      for (int64_t head = row * h.heads; head < (row + 1) * h.heads; ++head) {
        const auto n = static_cast<size_t>(head);
        const char* const from = args.in<char>(0) + n * (keys + values);
        char* const k = args.out<char>(0) + n * (keys + shared);
        std::memcpy(k, from, keys);
        std::memcpy(k + keys, args.in<char>(1) + static_cast<size_t>(row) * shared, shared);
        std::memcpy(args.out<char>(1) + n * values, from + keys, values);
      }
  });
}

void latent_heads_grad_cpu(const KernelArgs& args) {
  const TensorType& dk = args.op.in(0);
  LatentHeads h = shape_of(args, dk);
  h.k = args.inputs[0];
  h.v = args.inputs[1];
  h.projected = args.outputs[0];
  h.shared = args.outputs[1];
  const auto rows = TIDEMARK_SIMD(latent_heads_grad_rows);
  parallel_rows(args.pool, rows_of(dk), columns_of(dk),
                [&](int64_t begin, int64_t end) { rows(h, begin, end); });
}

}  // namespace tidemark::ops
