#include "executor/ops/all.h"
#include "executor/ops/moe_router.h"
#include "executor/ops/operands.h"
#include "executor/ops/weighted_swiglu.h"
#include "graph/cpu_workspace.h"

namespace tidemark::ops {
namespace {

constexpr int64_t kTokens = 64;  ///< of a task

}  // namespace

void moe_route_cpu(const KernelArgs& args) {
  const Router r = router_of(args, 0);
  const int64_t tokens = rows_of(args.op.in(0)), scratch = cpu::moe_route_workspace(r.experts, 1) / 4;
  const float* const bias = args.op.has_in(1) ? args.in<float>(1) : nullptr;
  args.pool->parallel_for((tokens + kTokens - 1) / kTokens, [&](int64_t task, int thread) {
    float* const choice = static_cast<float*>(args.workspace) + thread * scratch;
    for (int64_t t = task * kTokens; t < std::min(tokens, (task + 1) * kTokens); ++t)
      route(r, args.in<float>(0) + t * r.experts, bias, choice, 1, args.out<float>(0) + t * r.top_k,
            args.out<int32_t>(1) + t * r.top_k);
  });
}

void moe_route_grad_cpu(const KernelArgs& args) {
  const Router r = router_of(args, 1);
  parallel_ranges(args.pool, rows_of(args.op.in(1)), kTokens, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t)
      route_grad(r, args.in<float>(0) + t * r.top_k, args.in<float>(1) + t * r.experts,
                 args.in<int32_t>(2) + t * r.top_k, args.out<float>(0) + t * r.experts);
  });
}

// Exact: counts below 2^24.
void moe_load_cpu(const KernelArgs& args) {
  const int32_t* const experts = args.in<int32_t>(0);
  const int64_t n = rows_of(args.op.in(0)), n_experts = rows_of(args.op.out(0));
  float* const load = args.out<float>(0);
  std::fill_n(load, n_experts, 0.0f);
  for (int64_t i = 0; i < n; ++i) ++load[experts[i]];
  const float mean = static_cast<float>(n) / static_cast<float>(n_experts);
  for (int64_t e = 0; e < n_experts; ++e) load[e] -= mean;
}

// Counting sort. offsets[e] counts up from where expert e begins to where e + 1 does.
void moe_plan_cpu(const KernelArgs& args) {
  const int32_t* const experts = args.in<int32_t>(0);
  const int64_t n = rows_of(args.op.in(0)), n_experts = args.op.attributes().integer("experts");
  int32_t* const slots = args.out<int32_t>(0);
  int32_t* const offsets = args.out<int32_t>(1);
  std::fill_n(offsets, n_experts + 1, 0);
  for (int64_t i = 0; i < n; ++i)
    if (experts[i] + 1 < n_experts) ++offsets[experts[i] + 2];
  for (int64_t e = 2; e <= n_experts; ++e) offsets[e] += offsets[e - 1];
  for (int64_t i = 0; i < n; ++i) slots[offsets[experts[i] + 1]++] = static_cast<int32_t>(i);
}

void weighted_swiglu_cpu(const KernelArgs& args) {
  WeightedSwiglu s;
  s.bf16 = is_bf16(args.op.in(0));
  s.columns = columns_of(args.op.in(0));
  s.gate = args.inputs[0];
  s.up = args.inputs[1];
  s.weights = args.in<float>(2);
  s.slots = args.in<int32_t>(3);
  s.y = args.outputs[0];
  const auto rows = TIDEMARK_SIMD(weighted_swiglu_rows);
  parallel_rows(args.pool, rows_of(args.op.in(0)), s.columns,
                [&](int64_t begin, int64_t end) { rows(s, begin, end); });
}

void weighted_swiglu_grad_cpu(const KernelArgs& args) {
  WeightedSwiglu s;
  s.bf16 = is_bf16(args.op.in(1));
  s.columns = columns_of(args.op.in(1));
  s.dy = args.inputs[0];
  s.gate = args.inputs[1];
  s.up = args.inputs[2];
  s.weights = args.in<float>(3);
  s.slots = args.in<int32_t>(4);
  s.dgate = args.outputs[0];
  s.dup = args.outputs[1];
  s.dweights = args.out<float>(2);
  const auto rows = TIDEMARK_SIMD(weighted_swiglu_grad_rows);
  parallel_rows(args.pool, rows_of(args.op.in(1)), s.columns,
                [&](int64_t begin, int64_t end) { rows(s, begin, end); });
}

}  // namespace tidemark::ops
