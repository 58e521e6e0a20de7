// The calls of the CUDA runtime that Tidemark makes, on the emulated GPU. Linked in the place of libcudart.
#include <cuda_runtime_api.h>

#include <cstring>

#include "tests/gpu/emulated/gpu.h"

using tidemark::emulated::Event;
using tidemark::emulated::Gpu;
using tidemark::emulated::Graph;
using tidemark::emulated::Kernel;
using tidemark::emulated::Stream;

namespace {

thread_local cudaError_t last_error = cudaSuccess;

cudaError_t say(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}

Gpu& gpu() {
  return Gpu::instance();
}
Stream& stream_of(cudaStream_t stream) {
  return stream ? *reinterpret_cast<Stream*>(stream) : gpu().null_stream;
}
Event& event_of(cudaEvent_t event) {
  return *reinterpret_cast<Event*>(event);
}

/// What must not be called between cudaStreamBeginCapture and cudaStreamEndCapture.
cudaError_t outside_captures() {
  return gpu().capturing() ? cudaErrorStreamCaptureUnsupported : gpu().broken();
}

cudaError_t allocate(void** memory, size_t bytes, tidemark::emulated::DeviceMemory::Kind kind) {
  if (const cudaError_t status = outside_captures(); status != cudaSuccess) return say(status);
  *memory = gpu().memory.allocate(bytes, kind);
  return say(*memory || bytes == 0 ? cudaSuccess : cudaErrorMemoryAllocation);
}

/// Waits for all that may use it, as cudaFree does.
cudaError_t release(void* memory) {
  if (!memory) return cudaSuccess;
  gpu().work.wait_for_all();
  return say(gpu().memory.release(memory) ? gpu().broken() : cudaErrorInvalidValue);
}

struct CallConfiguration {
  dim3 grid, block;
  size_t shared = 0;
  cudaStream_t stream = nullptr;
};
thread_local CallConfiguration configuration;

}  // namespace

extern "C" {

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  switch (attribute) {
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = gpu().most_shared(); return cudaSuccess;
    case cudaDevAttrMultiProcessorCount: *value = 132; return cudaSuccess;
    default: return say(cudaErrorInvalidValue);
  }
}
const char* cudaGetErrorString(cudaError_t error) {
  return gpu().describe(error);
}
cudaError_t cudaGetLastError() {
  const cudaError_t error = gpu().broken() != cudaSuccess ? gpu().broken() : last_error;
  last_error = cudaSuccess;
  return error;
}

cudaError_t cudaMalloc(void** memory, size_t bytes) {
  return allocate(memory, bytes, tidemark::emulated::DeviceMemory::Kind::device);
}
cudaError_t cudaMallocHost(void** memory, size_t bytes) {
  return allocate(memory, bytes, tidemark::emulated::DeviceMemory::Kind::pinned);
}
cudaError_t cudaMallocManaged(void** memory, size_t bytes, unsigned) {
  return allocate(memory, bytes, tidemark::emulated::DeviceMemory::Kind::managed);
}
cudaError_t cudaFree(void* memory) {
  return release(memory);
}
cudaError_t cudaFreeHost(void* memory) {
  return release(memory);
}
cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  *free = gpu().memory.free_bytes();
  *total = gpu().memory.total_bytes();
  return gpu().broken();
}

// On the stream 0, for which streams that do not block do not wait.
cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  if (const cudaError_t status = outside_captures(); status != cudaSuccess) return say(status);
  const cudaError_t status = gpu().copy(to, from, bytes, kind, gpu().null_stream);
  return say(status == cudaSuccess ? gpu().wait(gpu().null_stream.last) : status);
}
cudaError_t cudaMemset(void* at, int value, size_t bytes) {
  if (const cudaError_t status = outside_captures(); status != cudaSuccess) return say(status);
  return say(gpu().set(at, value, bytes, gpu().null_stream));
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  return say(gpu().copy(to, from, bytes, kind, stream_of(stream)));
}
cudaError_t cudaMemsetAsync(void* at, int value, size_t bytes, cudaStream_t stream) {
  return say(gpu().set(at, value, bytes, stream_of(stream)));
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = reinterpret_cast<cudaStream_t>(new Stream);
  return gpu().broken();
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (stream_of(stream).capture) return say(cudaErrorStreamCaptureUnsupported);
  return say(gpu().wait(stream_of(stream).last));
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  delete &stream_of(stream);
  return gpu().broken();
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  return say(gpu().wait_for(stream_of(stream), event_of(event)));
}
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  return say(gpu().begin_capture(stream_of(stream)));
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  Graph* captured = nullptr;
  const cudaError_t status = gpu().end_capture(stream_of(stream), captured);
  *graph = reinterpret_cast<cudaGraph_t>(captured);
  return say(status);
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  *executable = reinterpret_cast<cudaGraphExec_t>(new Graph(*reinterpret_cast<Graph*>(graph)));
  return gpu().broken();
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete reinterpret_cast<Graph*>(graph);
  return gpu().broken();
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph) {
  delete reinterpret_cast<Graph*>(graph);
  return gpu().broken();
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream) {
  return say(gpu().launch_graph(*reinterpret_cast<Graph*>(graph), stream_of(stream)));
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  auto* const made = new Event;
  made->timed = (flags & cudaEventDisableTiming) == 0;
  *event = reinterpret_cast<cudaEvent_t>(made);
  return gpu().broken();
}
cudaError_t cudaEventCreate(cudaEvent_t* event) {
  return cudaEventCreateWithFlags(event, cudaEventDefault);
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete &event_of(event);
  return gpu().broken();
}
cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned flags) {
  return say(gpu().record(stream_of(stream), event_of(event), (flags & cudaEventRecordExternal) != 0));
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return cudaEventRecordWithFlags(event, stream, cudaEventRecordDefault);
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to) {
  const Event &a = event_of(from), &b = event_of(to);
  if (!a.timed || !b.timed || !a.recorded || !b.recorded) return say(cudaErrorInvalidResourceHandle);
  if (!a.node->done || !b.node->done) return say(cudaErrorNotReady);
  *milliseconds = std::chrono::duration<float, std::milli>(b.at - a.at).count();
  return gpu().broken();
}

// What nvcc's code calls for kernels: <crt/host_runtime.h>.

void** __cudaRegisterFatBinary(void* fatbin) {
  return new void*(fatbin);
}
void __cudaRegisterFatBinaryEnd(void**) {}
void __cudaUnregisterFatBinary(void** handle) {
  delete handle;
}
void __cudaRegisterFunction(void** handle, const char* host_function, char*, const char* name, int, uint3*,
                            uint3*, dim3*, dim3*, int*) {
  gpu().kernels[host_function] = {*handle, name};
}
unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared, CUstream_st* stream) {
  configuration = {grid, block, shared, stream};
  return 0;
}
cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, size_t* shared, void* stream) {
  *grid = configuration.grid;
  *block = configuration.block;
  *shared = configuration.shared;
  std::memcpy(stream, &configuration.stream, sizeof configuration.stream);
  return cudaSuccess;
}
cudaError_t __cudaGetKernel(cudaKernel_t* kernel, const void* host_function) {
  const auto found = gpu().kernels.find(host_function);
  if (found == gpu().kernels.end()) return say(cudaErrorInvalidDeviceFunction);
  *kernel = reinterpret_cast<cudaKernel_t>(&found->second);
  return cudaSuccess;
}
cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void** arguments, size_t shared,
                               cudaStream_t stream) {
  return say(gpu().launch(*reinterpret_cast<Kernel*>(kernel), {grid.x, grid.y, grid.z},
                          {block.x, block.y, block.z}, arguments, shared, stream_of(stream)));
}
cudaError_t cudaLaunchKernel(const void* function, dim3 grid, dim3 block, void** arguments, size_t shared,
                             cudaStream_t stream) {
  cudaKernel_t kernel = nullptr;
  const cudaError_t status = __cudaGetKernel(&kernel, function);
  return status == cudaSuccess ? __cudaLaunchKernel(kernel, grid, block, arguments, shared, stream) : status;
}
cudaError_t cudaFuncSetAttribute(const void* function, cudaFuncAttribute attribute, int value) {
  const auto found = gpu().kernels.find(function);
  if (found == gpu().kernels.end()) return say(cudaErrorInvalidDeviceFunction);
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return say(cudaErrorInvalidValue);
  try {
    if (value + gpu().function(found->second).shared_bytes > gpu().most_shared())
      return say(cudaErrorInvalidValue);
  } catch (const std::exception&) {
    return say(cudaErrorNotSupported);
  }
  found->second.most_dynamic_shared = value;
  return cudaSuccess;
}

}  // extern "C"
