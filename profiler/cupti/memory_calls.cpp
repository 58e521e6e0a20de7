#include "profiler/cupti/memory_calls.h"

#include <cuda.h>
#include <dlfcn.h>
#include <execinfo.h>

#include <array>
#include <string_view>

#include "base/clock.h"
#include "profiler/cupti/callbacks.h"

namespace tidemark {
namespace {

constexpr CUpti_CallbackId kCalls[] = {CUPTI_DRIVER_TRACE_CBID_cuMemCreate,
                                       CUPTI_DRIVER_TRACE_CBID_cuMemRelease, CUPTI_DRIVER_TRACE_CBID_cuMemMap,
                                       CUPTI_DRIVER_TRACE_CBID_cuMemUnmap,
                                       CUPTI_DRIVER_TRACE_CBID_cuMemRetainAllocationHandle};

/// The innermost library on the stack that is neither ours nor CUDA's; null: there is none.
const char* asking_library() {
  static const void* const own = [] {
    Dl_info info = {};
    return ::dladdr(reinterpret_cast<const void*>(&asking_library), &info) ? info.dli_fbase : nullptr;
  }();
  std::array<void*, 48> stack;
  const int depth = ::backtrace(stack.data(), static_cast<int>(stack.size()));
  for (int i = 0; i < depth; ++i) {
    Dl_info info = {};
    if (!::dladdr(stack[static_cast<size_t>(i)], &info) || info.dli_fbase == own || !info.dli_fname) continue;
    const std::string_view path = info.dli_fname;
    const std::string_view name = path.substr(path.find_last_of('/') + 1);
    if (!name.starts_with("libcuda") && !name.starts_with("libcupti")) return info.dli_fname;
  }
  return nullptr;
}

template <typename Parameters>
const Parameters& as(const void* parameters) {
  return *static_cast<const Parameters*>(parameters);
}

}  // namespace

std::string MemoryCalls::start(CuptiCallbacks& callbacks) {
  asking_library();  // the first one loads what it takes
  return callbacks.follow(CUPTI_CB_DOMAIN_DRIVER_API, kCalls, [this](CUpti_CallbackId id, const void* data) {
    called(id, as<CUpti_CallbackData>(data));
  });
}

/// What goes is told of before it does, what comes after it has: another thread may get the same handle or
/// address in between.
void MemoryCalls::called(CUpti_CallbackId id, const CUpti_CallbackData& call) {
  if (call.callbackSite == CUPTI_API_ENTER)
    before(id, call.functionParams);
  else if (as<CUresult>(call.functionReturnValue) == CUDA_SUCCESS)
    after(id, call.functionParams);
}

void MemoryCalls::before(CUpti_CallbackId id, const void* parameters) {
  const std::lock_guard lock(mutex_);
  if (id == CUPTI_DRIVER_TRACE_CBID_cuMemRelease) {
    memory_.release(as<cuMemRelease_params>(parameters).handle, now_ns());
  } else if (id == CUPTI_DRIVER_TRACE_CBID_cuMemUnmap) {
    const auto& p = as<cuMemUnmap_params>(parameters);
    memory_.unmap(p.ptr, static_cast<int64_t>(p.size), now_ns());
  }
}

void MemoryCalls::after(CUpti_CallbackId id, const void* parameters) {
  if (id == CUPTI_DRIVER_TRACE_CBID_cuMemCreate) {
    const auto& p = as<cuMemCreate_params>(parameters);
    CudaEvent made;
    made.space =
        p.prop->location.type == CU_MEM_LOCATION_TYPE_DEVICE ? CudaEvent::device_memory : CudaEvent::pinned;
    if (made.is_of_device()) made.device = static_cast<uint32_t>(p.prop->location.id);
    made.bytes = static_cast<int64_t>(p.size);
    made.start_ns = now_ns();
    made.name = intern_(asking_library());
    const std::lock_guard lock(mutex_);
    memory_.create(*p.handle, made);
  } else if (id == CUPTI_DRIVER_TRACE_CBID_cuMemMap) {
    const auto& p = as<cuMemMap_params>(parameters);
    const std::lock_guard lock(mutex_);
    memory_.map(p.ptr, static_cast<int64_t>(p.size), p.handle, now_ns());
  } else if (id == CUPTI_DRIVER_TRACE_CBID_cuMemRetainAllocationHandle) {
    const auto& p = as<cuMemRetainAllocationHandle_params>(parameters);
    const std::lock_guard lock(mutex_);
    memory_.retain(reinterpret_cast<uint64_t>(p.addr), *p.handle);
  }
}

}  // namespace tidemark
