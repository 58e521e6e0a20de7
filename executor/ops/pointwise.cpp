#include "executor/ops/pointwise.h"

#include <cmath>
#include <cstring>

#include "base/error.h"
#include "executor/ops/activation.h"
#include "executor/ops/all.h"
#include "executor/ops/operands.h"

namespace tidemark::ops {
namespace {

template <typename Range>
void run_pointwise(const KernelArgs& args, Range range) {
  Pointwise p;
  p.bf16 = is_bf16(args.op.out(0));
  std::copy_n(args.inputs.begin(), std::min(args.inputs.size(), std::size(p.inputs)), p.inputs);
  std::copy_n(args.outputs.begin(), std::min(args.outputs.size(), std::size(p.outputs)), p.outputs);
  parallel_ranges(args.pool, args.op.out(0).shape.elements(), kGrain,
                  [&](int64_t begin, int64_t end) { range(p, begin, end); });
}

}  // namespace

void swiglu_cpu(const KernelArgs& args) {
  run_pointwise(args, TIDEMARK_SIMD(swiglu_range));
}

void swiglu_grad_cpu(const KernelArgs& args) {
  run_pointwise(args, TIDEMARK_SIMD(swiglu_grad_range));
}

void glu_cpu(const KernelArgs& args) {
  run_pointwise(args, TIDEMARK_SIMD(glu_range));
}

void glu_grad_cpu(const KernelArgs& args) {
  run_pointwise(args, TIDEMARK_SIMD(glu_grad_range));
}

void gated_lerp_cpu(const KernelArgs& args) {
  run_pointwise(args, TIDEMARK_SIMD(gated_lerp_range));
}

void gated_lerp_grad_cpu(const KernelArgs& args) {
  run_pointwise(args, TIDEMARK_SIMD(gated_lerp_grad_range));
}

void add_cpu(const KernelArgs& args) {
  const auto range = TIDEMARK_SIMD(add_range);
  const bool other_bf16 = is_bf16(args.op.in(1));
  run_pointwise(args,
                [&](const Pointwise& p, int64_t begin, int64_t end) { range(p, other_bf16, begin, end); });
}

void convert_cpu(const KernelArgs& args) {
  const auto range = TIDEMARK_SIMD(convert_range);
  const bool from_bf16 = is_bf16(args.op.in(0));
  run_pointwise(args,
                [&](const Pointwise& p, int64_t begin, int64_t end) { range(p, from_bf16, begin, end); });
}

Activation activation_from(const std::string& name) {
  if (name == "relu") return Activation::relu;
  if (name == "relu_squared") return Activation::relu_squared;
  if (name == "sigmoid") return Activation::sigmoid;
  if (name == "tanh") return Activation::tanh;
  throw InternalError("unknown activation '" + name + "'");
}

void activation_cpu(const KernelArgs& args) {
  const Activation f = activation_from(args.op.attributes().text("function"));
  const auto range = TIDEMARK_SIMD(activation_range);
  run_pointwise(args, [&](const Pointwise& p, int64_t begin, int64_t end) { range(f, p, begin, end); });
}

void activation_grad_cpu(const KernelArgs& args) {
  const Activation f = activation_from(args.op.attributes().text("function"));
  const auto range = TIDEMARK_SIMD(activation_grad_range);
  run_pointwise(args, [&](const Pointwise& p, int64_t begin, int64_t end) { range(f, p, begin, end); });
}

void accumulate_cpu(const KernelArgs& args) {
  add_cpu(args);
}

void clear_cpu(const KernelArgs& args) {
  clear(args, 0);
}

void dropout_cpu(const KernelArgs& args) {
  const double probability = args.op.attributes().number("probability");
  const int32_t* seed = args.in<int32_t>(1);
  DropoutMask mask;
  mask.key[0] = static_cast<uint32_t>(seed[0]);
  mask.key[1] = static_cast<uint32_t>(seed[1]);
  mask.site = static_cast<uint64_t>(args.op.attributes().integer("site"));
  const bool off = seed[2] != 0;
  mask.threshold = off ? 0 : static_cast<uint32_t>(std::min(std::floor(probability * 0x1p32), 0x1p32 - 1));
  mask.scale = off ? 1 : static_cast<float>(1 / (1 - probability));
  static_assert(kGrain % (4 * kPhiloxBatch) == 0);
  const auto range = TIDEMARK_SIMD(dropout_range);
  run_pointwise(args, [&](const Pointwise& p, int64_t begin, int64_t end) { range(p, mask, begin, end); });
}

}  // namespace tidemark::ops
