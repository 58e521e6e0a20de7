#include "executor/ops/optimizer.h"

#include <algorithm>
#include <cmath>

#include "executor/ops/all.h"
#include "executor/ops/operands.h"
#include "graph/cpu_workspace.h"

namespace tidemark::ops {

// A sum for each block, then their sum in order.
void grad_norm_cpu(const KernelArgs& args) {
  auto* const sums = static_cast<double*>(args.workspace);
  int64_t blocks = 0;
  for (int i = 0; i < args.op.inputs(); ++i) blocks += cpu::grad_norm_blocks(args.op.in(i).shape.elements());
  const auto squares = TIDEMARK_SIMD(sum_of_squares);
  args.pool->parallel_for(blocks, [&](int64_t task, int) {
    int64_t block = task;
    int i = 0;
    int64_t elements = args.op.in(0).shape.elements();
    while (block >= cpu::grad_norm_blocks(elements)) {
      block -= cpu::grad_norm_blocks(elements);
      elements = args.op.in(++i).shape.elements();
    }
    const int64_t begin = block * cpu::kGradNormBlock;
    sums[task] = static_cast<double>(squares(is_bf16(args.op.in(i)), args.inputs[static_cast<size_t>(i)],
                                             begin, std::min(elements, begin + cpu::kGradNormBlock)));
  });
  double total = 0;
  for (int64_t block = 0; block < blocks; ++block) total += sums[block];
  *args.out<float>(0) = static_cast<float>(std::sqrt(total));
}

void adamw_cpu(const KernelArgs& args) {
  const Attributes& attributes = args.op.attributes();
  const auto number = [&](std::string_view name) { return static_cast<float>(attributes.number(name)); };
  const float* hyper = args.in<float>(4);
  AdamW a;
  a.bf16 = is_bf16(args.op.in(0));
  a.param = args.outputs[0];
  a.grad = args.inputs[1];
  a.m = args.out<float>(1);
  a.v = args.out<float>(2);
  a.master = args.op.has_in(6) ? args.out<float>(3) : nullptr;
  if (args.op.has_in(5)) {
    const float clip = number("clip_norm") / (*args.in<float>(5) + 1e-6f);
    a.grad_scale = clip >= 1 ? 1 : clip;  // a norm that is not a number must show
  }
  a.beta1 = number("beta1");
  a.beta2 = number("beta2");
  a.epsilon = number("epsilon");
  const float rate = hyper[0] * number("learning_rate_scale");
  a.decay = 1 - rate * number("weight_decay");
  a.step = rate / hyper[1];
  a.v_correction = 1 / hyper[2];
  if (args.op.has_in(7)) {
    a.rounds = true;
    std::copy_n(args.in<uint32_t>(7), 2, a.key);
    a.site = static_cast<uint64_t>(attributes.integer("site"));
  }
  static_assert(kGrain % kRoundingBatch == 0);
  const auto range = TIDEMARK_SIMD(adamw_range);
  parallel_ranges(args.pool, args.op.in(0).shape.elements(), kGrain,
                  [&](int64_t begin, int64_t end) { range(a, begin, end); });
}

void sign_step_cpu(const KernelArgs& args) {
  const float step = static_cast<float>(args.op.attributes().number("step"));
  const float* const direction = args.in<float>(1);
  float* const param = args.out<float>(0);
  parallel_ranges(args.pool, args.op.in(0).shape.elements(), kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      param[i] -= direction[i] > 0 ? step : direction[i] < 0 ? -step : 0.0f;
  });
}

}  // namespace tidemark::ops
