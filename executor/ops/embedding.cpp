#include "executor/ops/embedding.h"

#include <cstring>

#include "executor/ops/all.h"
#include "executor/ops/operands.h"
#include "executor/ops/sinusoidal_positions.h"

namespace tidemark::ops {

namespace {

float scale_of(const KernelArgs& args) {
  const Attributes& a = args.op.attributes();
  return a.has("scale") ? static_cast<float>(a.number("scale")) : 1.0f;
}

}  // namespace

void embedding_cpu(const KernelArgs& args) {
  const TensorType& weight = args.op.in(1);
  const int32_t* ids = args.in<int32_t>(0);
  const int64_t tokens = rows_of(args.op.in(0)), bytes = columns_of(weight) * size_of(weight.dtype);
  check_ids(ids, tokens, rows_of(weight), 0, "ids");
  const auto copy = TIDEMARK_SIMD(scale_copy);
  const float scale = scale_of(args);
  parallel_rows(args.pool, tokens, columns_of(weight), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row)
      copy(is_bf16(weight), args.in<char>(1) + ids[row] * bytes, columns_of(weight), scale,
           args.out<char>(0) + row * bytes);
  });
}

// Tokens sorted by (id, position): each row of the gradient has one writer, who adds in the order of the
// tokens and rounds once.
void embedding_grad_cpu(const KernelArgs& args) {
  const TensorType& dweight = args.op.out(0);
  const int32_t* ids = args.in<int32_t>(0);
  const int64_t tokens = rows_of(args.op.in(0)), columns = columns_of(dweight);
  const int64_t row_bytes = columns * size_of(dweight.dtype);
  check_ids(ids, tokens, rows_of(dweight), 0, "ids");
  auto* const keys = static_cast<uint64_t*>(args.workspace);
  for (int64_t i = 0; i < tokens; ++i)
    keys[i] = static_cast<uint64_t>(ids[i]) << 32 | static_cast<uint64_t>(i);
  std::sort(keys, keys + tokens);

  const auto add = TIDEMARK_SIMD(add_rows);
  const bool accumulates = args.op.has_in(2);
  const float scale = scale_of(args);
  parallel_rows(args.pool, rows_of(dweight), columns, [&](int64_t begin, int64_t end) {
    if (!accumulates)
      std::memset(args.out<char>(0) + begin * row_bytes, 0, static_cast<size_t>((end - begin) * row_bytes));
    const uint64_t* at = std::lower_bound(keys, keys + tokens, static_cast<uint64_t>(begin) << 32);
    while (at < keys + tokens && *at >> 32 < static_cast<uint64_t>(end)) {
      const uint64_t* first = at;
      while (at < keys + tokens && *at >> 32 == *first >> 32) ++at;
      char* const row = args.out<char>(0) + static_cast<int64_t>(*first >> 32) * row_bytes;
      add(is_bf16(dweight), args.inputs[1], first, at - first, columns, scale, row);
    }
  });
}

void sinusoidal_positions_cpu(const KernelArgs& args) {
  const TensorType& x = args.op.in(0);
  const SinusoidalPositions s{is_bf16(x),     columns_of(x),       args.op.attributes().number("base"),
                              args.inputs[0], args.in<int32_t>(1), args.outputs[0]};
  const auto add = TIDEMARK_SIMD(add_sinusoids);
  parallel_ranges(args.pool, rows_of(x), kSinusoidRows,
                  [&](int64_t begin, int64_t end) { add(s, begin, end); });
}

}  // namespace tidemark::ops
