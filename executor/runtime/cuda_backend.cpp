#include "executor/runtime/cuda_backend.h"

#include "base/error.h"
#include "executor/ops/operands.h"
#include "graph/ignored_label.h"

namespace tidemark {

using device::check_cuda;

namespace {

/// What is copied between the host and the arena before and after the steps, which is no op's.
constexpr CurrentOp kUpload = {"(upload)", -1, Phase::prepare};
constexpr CurrentOp kDownload = {"(download)", -1, Phase::prepare};

}  // namespace

std::string why_no_cuda() {
  int devices = 0;
  const cudaError_t status = cudaGetDeviceCount(&devices);
  if (status != cudaSuccess) return cudaGetErrorString(status);
  return devices > 0 ? "" : "no GPU was found";
}

CudaBackend::CudaBackend(const Graph& graph, const Plan& plan, const RuntimeOptions& options)
    : plan_(plan),
      arena_(plan.arena_bytes),
      copies_(plan, arena_.data(), device_.stream()),
      args_(bind_steps(graph, plan, arena_.data())) {
  if (options.guard != GuardMode::off)
    throw Error("cannot guard", "CUDA", "the guards are for the CPU's arena",
                "run under compute-sanitizer, or plan for the CPU");
  for (const KernelArgs& args : args_) kernels_.push_back(find_cuda_kernel(args.op.op().def->name));
  find_ids(graph);
  events_.resize(args_.size() + 1);
  for (cudaEvent_t& event : events_) check_cuda(cudaEventCreate(&event), "create an event");
}

CudaBackend::~CudaBackend() {
  cudaStreamSynchronize(device_.stream());
  for (const auto& [steps, range] : ranges_)
    if (range.graph) cudaGraphExecDestroy(range.graph);
  for (cudaEvent_t event : events_) cudaEventDestroy(event);
}

std::byte* CudaBackend::address(int32_t buffer) const {
  return arena_.data() + plan_.offsets[static_cast<size_t>(buffer)];
}

size_t CudaBackend::bytes(int32_t buffer) const {
  return static_cast<size_t>(plan_.schedule.buffers[static_cast<size_t>(buffer)].bytes);
}

bool CudaBackend::is_input(int32_t buffer) const {
  const Buffer& b = plan_.schedule.buffers[static_cast<size_t>(buffer)];
  return b.persistent && b.category == Category::input;
}

bool CudaBackend::is_state(int32_t buffer) const {
  return plan_.schedule.buffers[static_cast<size_t>(buffer)].persistent && !is_input(buffer);
}

void* CudaBackend::host(int32_t buffer) {
  Mirror& mirror = mirrors_[buffer];
  if (!mirror.memory.data()) {
    mirror.memory = PinnedMemory(bytes(buffer));
    const auto telling = teller_.tell(kDownload);
    check_cuda(cudaMemcpy(mirror.memory.data(), address(buffer), bytes(buffer), cudaMemcpyDeviceToHost),
               "copy from the GPU");
  }
  if (is_state(buffer)) mirror.stale = true;
  return mirror.memory.data();
}

void CudaBackend::find_ids(const Graph& graph) {
  const auto add = [&](const Step& step, size_t operand, int64_t rows, int32_t ignored, const char* name) {
    const int32_t buffer = step.inputs[operand];
    const int64_t count = graph.value(graph.op(step.op).inputs[operand]).type.shape.elements();
    if (is_input(buffer)) ids_.push_back({buffer, count, rows, ignored, name});
  };
  for (size_t s = 0; s < args_.size(); ++s) {
    const OpView& op = args_[s].op;
    const Step& step = plan_.schedule.steps[s];
    const std::string_view kind = op.op().def->name;
    if (kind == "embedding") add(step, 0, op.in(1).shape[0], 0, "ids");
    if (kind == "linear_cross_entropy" || kind == "linear_cross_entropy_grad")
      add(step, 2, op.in(1).shape[0], kIgnoredLabel, "labels");
    if (kind == "nade") add(step, 1, op.in(0).shape[1], 0, "order");
    if (kind == "nade_grad") add(step, 2, op.in(1).shape[1], 0, "order");
  }
}

void CudaBackend::check_inputs() const {
  for (const Ids& ids : ids_)
    if (const auto found = mirrors_.find(ids.buffer); found != mirrors_.end())
      ops::check_ids(static_cast<const int32_t*>(found->second.memory.data()), ids.count, ids.rows,
                     ids.ignored, ids.name);
}

void CudaBackend::upload() {
  check_inputs();
  const auto telling = teller_.tell(kUpload);
  for (const auto& [buffer, mirror] : mirrors_)
    if (is_input(buffer) || mirror.stale)
      check_cuda(cudaMemcpyAsync(address(buffer), mirror.memory.data(), bytes(buffer), cudaMemcpyHostToDevice,
                                 device_.stream()),
                 "copy to the GPU");
}

void CudaBackend::download() {
  const auto telling = teller_.tell(kDownload);
  for (const auto& [buffer, mirror] : mirrors_)
    if (!is_input(buffer) && !mirror.stale)
      check_cuda(cudaMemcpyAsync(mirror.memory.data(), address(buffer), bytes(buffer), cudaMemcpyDeviceToHost,
                                 device_.stream()),
                 "copy from the GPU");
  check_cuda(cudaStreamSynchronize(device_.stream()), "run the step");
  // What was handed out of the state is the GPU's again.
  std::erase_if(mirrors_, [](const auto& entry) { return entry.second.stale; });
}

void CudaBackend::launch(int32_t begin, int32_t end, bool captured) {
  const auto record = [&](int32_t step) {
    const unsigned flags = captured ? cudaEventRecordExternal : cudaEventRecordDefault;
    check_cuda(cudaEventRecordWithFlags(events_[static_cast<size_t>(step)], device_.stream(), flags),
               "record an event");
  };
  for (int32_t s = begin; s < end; ++s) {
    record(s);
    const Op& op = args_[static_cast<size_t>(s)].op.op();
    const auto telling = teller_.tell({op.name.c_str(), s, op.phase});
    copies_.before(s);
    kernels_[static_cast<size_t>(s)](args_[static_cast<size_t>(s)], device_);
    copies_.behind(s);
  }
  copies_.join();
  record(end);
}

void CudaBackend::capture_and_launch(int32_t begin, int32_t end, cudaGraphExec_t& graph) {
  if (!graph) {
    cudaGraph_t captured = nullptr;
    check_cuda(cudaStreamBeginCapture(device_.stream(), cudaStreamCaptureModeThreadLocal),
               "capture the step");
    launch(begin, end, true);
    check_cuda(cudaStreamEndCapture(device_.stream(), &captured), "capture the step");
    const cudaError_t status = cudaGraphInstantiate(&graph, captured, 0);
    cudaGraphDestroy(captured);
    check_cuda(status, "instantiate the step");
  }
  check_cuda(cudaGraphLaunch(graph, device_.stream()), "launch the step");
}

void CudaBackend::run(int32_t begin, int32_t end, std::vector<TimeSpan>& times) {
  if (begin == end) return;
  upload();
  Range& range = ranges_[{begin, end}];
  if (range.ran)
    capture_and_launch(begin, end, range.graph);
  else
    launch(begin, end, false);
  range.ran = true;
  download();
  read_times(begin, end, times);
}

void CudaBackend::read_times(int32_t begin, int32_t end, std::vector<TimeSpan>& times) const {
  const auto since_begin = [&](int32_t step) {
    float milliseconds = 0;
    check_cuda(cudaEventElapsedTime(&milliseconds, events_[static_cast<size_t>(begin)],
                                    events_[static_cast<size_t>(step)]),
               "read a time");
    return static_cast<int64_t>(static_cast<double>(milliseconds) * 1e6);
  };
  // Events know no clock but their own: the last one is now.
  const int64_t start = now_ns() - since_begin(end);
  int64_t at = 0;
  for (int32_t s = begin; s < end; ++s) {
    const int64_t next = since_begin(s + 1);
    times[static_cast<size_t>(s)] = {start + at, start + next};
    at = next;
  }
}

}  // namespace tidemark
