#include "profiler/cupti/memory_sampler.h"

#include <cuda.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/clock.h"
#include "base/cuda_library.h"

namespace tidemark {

/// The driver's functions, found at run time.
struct MemorySampler::Driver {
  decltype(&cuDeviceGetCount) count = nullptr;
  decltype(&cuDevicePrimaryCtxGetState) state = nullptr;
  decltype(&cuDevicePrimaryCtxRetain) retain = nullptr;
  decltype(&cuDevicePrimaryCtxRelease) release = nullptr;
  decltype(&cuCtxPushCurrent) push = nullptr;
  decltype(&cuCtxPopCurrent) pop = nullptr;
  decltype(&cuMemGetInfo) info = nullptr;
  decltype(&cuThreadExchangeStreamCaptureMode) exchange_capture_mode = nullptr;

  bool load() {
    const CudaLibrary library({"libcuda.so.1"});
    return library.find(count, "cuDeviceGetCount") && library.find(state, "cuDevicePrimaryCtxGetState") &&
           library.find(retain, "cuDevicePrimaryCtxRetain") &&
           library.find(release, "cuDevicePrimaryCtxRelease_v2") &&
           library.find(push, "cuCtxPushCurrent_v2") && library.find(pop, "cuCtxPopCurrent_v2") &&
           library.find(info, "cuMemGetInfo_v2") &&
           library.find(exchange_capture_mode, "cuThreadExchangeStreamCaptureMode");
  }

  /// Bytes in use; negative where the program has no context on the device, which this must not make.
  int64_t used(int device) const {
    unsigned flags = 0;
    int active = 0;
    if (state(device, &flags, &active) != CUDA_SUCCESS || !active) return -1;
    CUcontext context = nullptr;
    if (retain(&context, device) != CUDA_SUCCESS) return -1;
    int64_t bytes = -1;
    if (push(context) == CUDA_SUCCESS) {
      size_t free = 0, total = 0;
      if (info(&free, &total) == CUDA_SUCCESS) bytes = static_cast<int64_t>(total - free);
      pop(&context);
    }
    release(device);
    return bytes;
  }
};

void MemorySampler::sample(const Driver& driver) {
  int count = 0;
  if (driver.count(&count) != CUDA_SUCCESS) return;  // the driver is about to start, or has ended
  last_.resize(std::max(last_.size(), static_cast<size_t>(count)));
  for (int device = 0; device < count; ++device) {
    const int64_t asked_ns = now_ns();  // what is allocated while the answer comes is later
    const int64_t bytes = driver.used(device);
    if (bytes < 0) continue;
    Sample& last = last_[static_cast<size_t>(device)];
    const auto tell = [&] {
      sink_(static_cast<uint32_t>(device), last.time_ns, last.bytes);
      last.told_ns = last.time_ns;
    };
    const bool is_new = !last.known || bytes != last.bytes;
    if (is_new && last.known && last.told_ns != last.time_ns) tell();
    last.known = true;
    last.time_ns = asked_ns;
    last.bytes = bytes;
    if (is_new) tell();
  }
}

void MemorySampler::run(const Driver& driver) {
  using namespace std::chrono_literals;
  // While a program captures a graph, calls of other threads may spoil it, unless they say that they do not
  // care.
  CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;
  driver.exchange_capture_mode(&mode);
  std::unique_lock lock(mutex_);
  while (!stops_) {
    sample(driver);
    const bool begun = std::ranges::any_of(last_, &Sample::known);
    changed_.wait_for(lock, begun ? 50ms : 5ms, [this] { return stops_; });
  }
  sample(driver);
  for (size_t device = 0; device < last_.size(); ++device)
    if (const Sample& last = last_[device]; last.known && last.told_ns != last.time_ns)
      sink_(static_cast<uint32_t>(device), last.time_ns, last.bytes);
}

void MemorySampler::start(Sink sink) {
  Driver driver;
  if (thread_.joinable() || !driver.load()) return;
  sink_ = std::move(sink);
  stops_ = false;
  last_.clear();
  thread_ = std::thread([this, driver] { run(driver); });
}

void MemorySampler::stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stops_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

}  // namespace tidemark
