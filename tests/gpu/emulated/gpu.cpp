#include "tests/gpu/emulated/gpu.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iostream>

#include "tests/gpu/emulated/fatbin.h"
#include "tests/gpu/emulated/fault.h"
#include "tests/gpu/emulated/started.h"

namespace tidemark::emulated {
namespace {

cudaError_t error_of(FaultKind kind) {
  switch (kind) {
    case FaultKind::unsupported: return cudaErrorNotSupported;
    case FaultKind::illegal_address: return cudaErrorIllegalAddress;
    case FaultKind::misaligned_address: return cudaErrorMisalignedAddress;
    case FaultKind::race:
    case FaultKind::divergence:
    case FaultKind::trap: return cudaErrorLaunchFailure;
  }
  return cudaErrorUnknown;
}

constexpr int kHopper = 227 << 10;  ///< bytes of shared memory that a block may have, of 9.0

}  // namespace

Gpu& Gpu::instance() {
  static Gpu gpu;
  return gpu;
}

Gpu::Gpu() {
  const char* const kibibytes = std::getenv("TIDEMARK_EMULATED_SHARED_KIB");
  most_shared_ = kibibytes ? std::atoi(kibibytes) << 10 : kHopper;
  counts_ = std::getenv("TIDEMARK_EMULATED_TRAFFIC") != nullptr;
}

Gpu::~Gpu() {
  if (counts_) print_traffic(traffic_);
}

const char* Gpu::describe(cudaError_t error) const {
  if (error == broken_ && error != cudaSuccess) return what_broke_.c_str();
  switch (error) {
    case cudaSuccess: return "no error";
    case cudaErrorInvalidValue: return "invalid argument";
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorInvalidConfiguration: return "invalid configuration argument";
    case cudaErrorInvalidDeviceFunction: return "invalid device function";
    case cudaErrorInvalidResourceHandle: return "invalid resource handle";
    case cudaErrorNotReady: return "device not ready";
    case cudaErrorStreamCaptureUnsupported: return "operation not permitted when stream is capturing";
    case cudaErrorStreamCaptureInvalidated: return "operation failed due to a previous error during capture";
    case cudaErrorStreamCaptureUnmatched: return "capture was not initiated in this stream";
    case cudaErrorStreamCaptureUnjoined: return "capturing stream has unjoined work";
    case cudaErrorStreamCaptureIsolation: return "dependency created on uncaptured work in another stream";
    default: return "an error of the emulated GPU";
  }
}

/// After a fault nothing is done any more, as on a GPU.
std::function<void()> Gpu::guarded(std::function<void()> its_work) {
  return [this, its_work = std::move(its_work)] {
    if (broken_ != cudaSuccess || !its_work) return;
    try {
      its_work();
    } catch (const Fault& fault) {
      broken_ = error_of(fault.kind);
      what_broke_ = fault.what();
      std::cerr << "emulated GPU: " << what_broke_ << std::endl;
    }
  };
}

cudaError_t Gpu::enqueue(Stream& stream, std::function<void()> its_work, Event* records) {
  if (broken_ != cudaSuccess) return broken_;
  if (stream.capture) {
    Graph& graph = stream.capture->graph;
    graph.nodes.push_back({std::move(its_work), stream.captured_last, records});
    stream.captured_last = {graph.nodes.size() - 1};
  } else {
    stream.last = work.submit(guarded(std::move(its_work)), {stream.last});
  }
  return cudaSuccess;
}

cudaError_t Gpu::start(Stream& stream, std::function<void()> its_work) {
  note_start(stream.capture != nullptr);
  return enqueue(stream, std::move(its_work));
}

cudaError_t Gpu::wait(const NodePtr& node) {
  work.wait_for(node);
  return broken_;
}

const Function& Gpu::function(const Kernel& kernel) {
  std::unique_ptr<Module>& module = modules_[kernel.fatbin];
  if (!module) module = std::make_unique<Module>(ptx_of(kernel.fatbin), memory);
  return module->function(kernel.name);
}

cudaError_t Gpu::launch(Kernel& kernel, Dim grid, Dim block, void** arguments, size_t shared,
                        Stream& stream) {
  const Function* f = nullptr;
  try {
    f = &function(kernel);
  } catch (const Fault& fault) {
    what_broke_ = fault.what();
    return broken_ = error_of(fault.kind);
  }
  if (grid.count() == 0 || grid.x > 0x7fffffffu || grid.y > 0xffff || grid.z > 0xffff || block.count() == 0 ||
      block.count() > static_cast<uint64_t>(f->max_threads))
    return cudaErrorInvalidConfiguration;
  const int64_t most =
      kernel.most_dynamic_shared > 48 << 10 ? kernel.most_dynamic_shared : (48 << 10) - f->shared_bytes;
  if (static_cast<int64_t>(shared) > most) return cudaErrorInvalidValue;
  auto launch = std::make_shared<Launch>(Launch{f, grid, block, shared, {}});
  launch->parameters.resize(static_cast<size_t>(f->parameter_bytes));
  for (size_t i = 0; i < f->parameters.size(); ++i)
    std::memcpy(launch->parameters.data() + f->parameters[i].offset, arguments[i],
                static_cast<size_t>(f->parameters[i].bytes));
  Traffic* const traffic = counts_ ? &traffic_[readable_name(f->name)] : nullptr;
  return start(stream, [this, launch, traffic] { run_grid(*launch, memory, work.draw(), traffic); });
}

cudaError_t Gpu::copy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, Stream& stream) {
  const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  if (bytes == 0) return cudaSuccess;
  if ((to_device && !memory.holds(to, bytes)) || (from_device && !memory.holds(from, bytes)))
    return cudaErrorInvalidValue;
  // Memory that is not pinned is copied before the call returns, which a capture cannot promise.
  const bool pinned = (to_device || memory.is_pinned(to)) && (from_device || memory.is_pinned(from));
  if (stream.capture && !pinned) return cudaErrorStreamCaptureUnsupported;
  if (const cudaError_t status = start(stream, [to, from, bytes] { std::memcpy(to, from, bytes); });
      status != cudaSuccess || pinned)
    return status;
  return wait(stream.last);
}

cudaError_t Gpu::set(void* at, int value, size_t bytes, Stream& stream) {
  if (bytes == 0) return cudaSuccess;
  if (!memory.holds(at, bytes)) return cudaErrorInvalidValue;
  return start(stream, [at, value, bytes] { std::memset(at, value, bytes); });
}

cudaError_t Gpu::begin_capture(Stream& stream) {
  if (&stream == &null_stream || stream.capture) return cudaErrorStreamCaptureUnsupported;
  stream.capture = new Capture{&stream, {}, {&stream}};
  stream.captured_last.clear();
  ++captures_;
  return cudaSuccess;
}

void Gpu::forget_capture(Capture& capture) {
  for (Stream* joined : capture.joined) {
    joined->capture = nullptr;
    joined->captured_last.clear();
  }
  --captures_;
  delete &capture;
}

cudaError_t Gpu::end_capture(Stream& stream, Graph*& graph) {
  Capture* const capture = stream.capture;
  if (!capture || capture->origin != &stream) return cudaErrorStreamCaptureUnmatched;
  // All must come before the end of the stream that began.
  std::vector<bool> reached(capture->graph.nodes.size());
  std::vector<size_t> open = stream.captured_last;
  while (!open.empty()) {
    const size_t node = open.back();
    open.pop_back();
    if (reached[node]) continue;
    reached[node] = true;
    open.insert(open.end(), capture->graph.nodes[node].behind.begin(),
                capture->graph.nodes[node].behind.end());
  }
  const bool joined = std::all_of(reached.begin(), reached.end(), [](bool b) { return b; });
  if (joined) graph = new Graph(std::move(capture->graph));
  forget_capture(*capture);
  return joined ? cudaSuccess : cudaErrorStreamCaptureUnjoined;
}

cudaError_t Gpu::wait_for(Stream& stream, Event& event) {
  if (event.capture) {
    if (stream.capture && stream.capture != event.capture) return cudaErrorStreamCaptureIsolation;
    if (!stream.capture) {
      stream.capture = event.capture;
      stream.captured_last.clear();
      event.capture->joined.push_back(&stream);
    }
    for (const size_t node : event.captured)
      if (std::find(stream.captured_last.begin(), stream.captured_last.end(), node) ==
          stream.captured_last.end())
        stream.captured_last.push_back(node);
    return cudaSuccess;
  }
  if (stream.capture) return cudaErrorStreamCaptureIsolation;
  if (event.recorded) stream.last = work.submit(nullptr, {stream.last, event.node});
  return cudaSuccess;
}

cudaError_t Gpu::record(Stream& stream, Event& event, bool external) {
  if (external) {
    if (!stream.capture) return cudaErrorIllegalState;
    return enqueue(stream, nullptr, &event);
  }
  if (stream.capture) {
    event.capture = stream.capture;
    event.captured = stream.captured_last;
    return cudaSuccess;
  }
  event.capture = nullptr;
  event.recorded = true;
  const cudaError_t status = enqueue(stream, [&event] { event.at = std::chrono::steady_clock::now(); });
  event.node = stream.last;
  return status;
}

cudaError_t Gpu::launch_graph(const Graph& graph, Stream& stream) {
  if (broken_ != cudaSuccess) return broken_;
  if (stream.capture) return cudaErrorStreamCaptureUnsupported;
  std::vector<NodePtr> nodes;
  for (const CapturedNode& captured : graph.nodes) {
    std::vector<NodePtr> behind;
    for (const size_t before : captured.behind) behind.push_back(nodes[before]);
    if (behind.empty()) behind.push_back(stream.last);
    if (Event* const event = captured.records) {
      nodes.push_back(
          work.submit(guarded([event] { event->at = std::chrono::steady_clock::now(); }), behind));
      event->node = nodes.back();
      event->recorded = true;
    } else {
      nodes.push_back(work.submit(guarded(captured.work), behind));
    }
  }
  nodes.push_back(stream.last);
  stream.last = work.submit(nullptr, nodes);
  return cudaSuccess;
}

}  // namespace tidemark::emulated
