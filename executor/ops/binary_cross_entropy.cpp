#include "executor/ops/binary_cross_entropy.h"

#include "executor/ops/all.h"
#include "executor/ops/operands.h"

namespace tidemark::ops {
namespace {

void run(const KernelArgs& args, void* dlogits) {
  const TensorType& logits = args.op.in(0);
  const int64_t rows = rows_of(logits);
  BinaryCrossEntropy b;
  b.bf16 = is_bf16(logits);
  b.columns = columns_of(logits);
  b.logits = args.inputs[0];
  b.targets = args.inputs[1];
  b.nll = args.out<float>(1);
  b.dlogits = dlogits;
  if (dlogits)
    b.grad_scale = static_cast<float>(args.op.attributes().number("grad_scale") / static_cast<double>(rows));
  const auto each = TIDEMARK_SIMD(binary_cross_entropy_rows);
  parallel_rows(args.pool, rows, b.columns, [&](int64_t begin, int64_t end) { each(b, begin, end); });
  double total = 0;
  for (int64_t i = 0; i < rows; ++i) total += static_cast<double>(b.nll[i]);
  *args.out<float>(0) = static_cast<float>(total / static_cast<double>(rows));
}

}  // namespace

void binary_cross_entropy_cpu(const KernelArgs& args) {
  run(args, nullptr);
}

void binary_cross_entropy_grad_cpu(const KernelArgs& args) {
  run(args, args.outputs[2]);
}

}  // namespace tidemark::ops
