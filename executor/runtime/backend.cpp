#include "executor/runtime/backend.h"

#include "base/error.h"
#include "executor/runtime/cpu_backend.h"
#ifdef TIDEMARK_HAS_CUDA
#include "executor/runtime/cuda_backend.h"
#endif

namespace tidemark {

#ifndef TIDEMARK_HAS_CUDA
std::string why_no_cuda() {
  return "this build has no CUDA backend";
}
#endif

std::unique_ptr<Backend> make_backend(const Graph& graph, const Plan& plan, const RuntimeOptions& options) {
  if (traits_of(plan.device).kind == DeviceKind::cpu)
    return std::make_unique<CpuBackend>(graph, plan, options);
  if (const std::string why = why_no_cuda(); !why.empty())
    throw Error("cannot run on CUDA", plan.graph_name, why, "plan and run with --backend cpu",
                ExitCode::failure);
#ifdef TIDEMARK_HAS_CUDA
  return std::make_unique<CudaBackend>(graph, plan, options);
#else
  throw InternalError("a build without CUDA says that it has it");
#endif
}

std::vector<KernelArgs> bind_steps(const Graph& graph, const Plan& plan, std::byte* base) {
  const Schedule& schedule = plan.schedule;
  const auto address = [&](int32_t buffer) -> void* {
    return buffer == kNone ? nullptr : base + plan.offsets[static_cast<size_t>(buffer)];
  };
  std::vector<KernelArgs> all;
  for (const Step& step : schedule.steps) {
    KernelArgs args{OpView(graph, graph.op(step.op)), {}, {}};
    for (int32_t b : step.inputs) args.inputs.push_back(address(b));
    for (int32_t b : step.outputs) args.outputs.push_back(address(b));
    args.workspace = address(step.workspace);
    if (step.workspace != kNone)
      args.workspace_bytes = schedule.buffers[static_cast<size_t>(step.workspace)].bytes;
    all.push_back(std::move(args));
  }
  return all;
}

}  // namespace tidemark
