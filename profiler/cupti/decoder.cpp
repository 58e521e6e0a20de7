#include "profiler/cupti/decoder.h"

#include <algorithm>

namespace tidemark {
namespace {

template <typename Record>
const Record& as(const CUpti_Activity& record) {
  return reinterpret_cast<const Record&>(record);
}

CudaEvent::Space space_of(CUpti_ActivityMemoryKind kind) {
  switch (kind) {
    case CUPTI_ACTIVITY_MEMORY_KIND_PINNED: return CudaEvent::pinned;
    case CUPTI_ACTIVITY_MEMORY_KIND_MANAGED:
    case CUPTI_ACTIVITY_MEMORY_KIND_MANAGED_STATIC: return CudaEvent::managed;
    case CUPTI_ACTIVITY_MEMORY_KIND_DEVICE:
    case CUPTI_ACTIVITY_MEMORY_KIND_ARRAY:
    case CUPTI_ACTIVITY_MEMORY_KIND_DEVICE_STATIC: return CudaEvent::device_memory;
    default: return CudaEvent::other;
  }
}

/// Kernels, copies and sets have these fields under the same names.
template <typename Record>
CudaEvent work(CudaEvent::Kind kind, const Record& r) {
  CudaEvent e;
  e.kind = kind;
  e.device = r.deviceId;
  e.stream = r.streamId;
  e.correlation = r.correlationId;
  e.address = r.graphNodeId;
  e.start_ns = static_cast<int64_t>(r.start);
  e.end_ns = static_cast<int64_t>(r.end);
  return e;
}

template <typename Record>
CudaEvent moved(CudaEvent::Kind kind, const Record& r) {
  CudaEvent e = work(kind, r);
  e.bytes = static_cast<int64_t>(r.bytes);
  return e;
}

/// False where CUPTI could not take the times, which are 0 then: nobody knows where it stands.
bool add_work(const CudaEvent& e, CudaEventLog& log) {
  if (e.start_ns == 0 || e.end_ns == 0) return false;
  log.add(e);
  return true;
}

/// What a pool has; `threshold`: what it keeps when the program waits for the device.
void add_pool(uint64_t address, uint64_t bytes, uint64_t threshold, uint32_t device, uint64_t time,
              CudaEventLog& log) {
  CudaEvent e;
  e.kind = CudaEvent::pool;
  e.device = device;
  e.start_ns = e.end_ns = static_cast<int64_t>(time);
  e.address = address;
  e.bytes = static_cast<int64_t>(bytes);
  e.id = threshold;
  log.add(e);
}

/// As CUpti_ActivityMemory4, which headers before CUDA 12.8 lack.
struct MemoryWithSource {
  CUpti_ActivityMemory3 memory;
  const char* source;
};

bool add_memory(const CUpti_ActivityMemory3& r, CudaEventLog& log, uint32_t version) {
  CudaEvent e;
  if (r.memoryOperationType == CUPTI_ACTIVITY_MEMORY_OPERATION_TYPE_ALLOCATION)
    e.kind = CudaEvent::allocate;
  else if (r.memoryOperationType == CUPTI_ACTIVITY_MEMORY_OPERATION_TYPE_RELEASE)
    e.kind = CudaEvent::release;
  else
    return false;
  e.space = space_of(r.memoryKind);
  e.device = r.deviceId;
  e.stream = r.streamId;
  e.correlation = r.correlationId;
  e.start_ns = e.end_ns = static_cast<int64_t>(r.timestamp);
  e.address = r.address;
  e.bytes = static_cast<int64_t>(r.bytes);
  if (version >= kCuptiWithSources) e.name = log.intern(reinterpret_cast<const MemoryWithSource&>(r).source);
  const auto& pool = r.memoryPoolConfig;
  // Other processes count their own pools.
  const bool has_pool = pool.memoryPoolType == CUPTI_ACTIVITY_MEMORY_POOL_TYPE_LOCAL;
  if (has_pool) e.id = pool.address;
  log.add(e);
  if (has_pool) add_pool(pool.address, pool.pool.size, pool.releaseThreshold, r.deviceId, r.timestamp, log);
  return true;
}

bool add_pool(const CUpti_ActivityMemoryPool2& r, CudaEventLog& log) {
  if (r.memoryPoolType != CUPTI_ACTIVITY_MEMORY_POOL_TYPE_LOCAL) return false;
  const bool is_gone = r.memoryPoolOperationType == CUPTI_ACTIVITY_MEMORY_POOL_OPERATION_TYPE_DESTROYED;
  add_pool(r.address, is_gone ? 0 : r.size, r.releaseThreshold, r.deviceId, r.timestamp, log);
  return true;
}

bool add_range(const CUpti_ActivityMarker2& r, CudaEventLog& log) {
  CudaEvent e;
  if (r.flags & CUPTI_ACTIVITY_FLAG_MARKER_START)
    e.kind = CudaEvent::range_begin;
  else if (r.flags & CUPTI_ACTIVITY_FLAG_MARKER_END)
    e.kind = CudaEvent::range_end;
  else
    return false;
  if (r.objectKind == CUPTI_ACTIVITY_OBJECT_THREAD) e.thread = r.objectId.pt.threadId;
  e.id = r.id;
  e.name = log.intern(r.name);
  e.start_ns = e.end_ns = static_cast<int64_t>(r.timestamp);
  log.add(e);
  return true;
}

}  // namespace

bool decode(const CUpti_Activity& record, CudaEventLog& log, uint32_t version) {
  switch (record.kind) {
    case CUPTI_ACTIVITY_KIND_MEMORY2: return add_memory(as<CUpti_ActivityMemory3>(record), log, version);
    case CUPTI_ACTIVITY_KIND_MEMORY_POOL: return add_pool(as<CUpti_ActivityMemoryPool2>(record), log);
    case CUPTI_ACTIVITY_KIND_MARKER: return add_range(as<CUpti_ActivityMarker2>(record), log);
    case CUPTI_ACTIVITY_KIND_KERNEL:
    case CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL: {
      const auto& r = as<CUpti_ActivityKernel9>(record);
      CudaEvent e = work(CudaEvent::kernel, r);
      e.name = log.intern(r.name);
      return add_work(e, log);
    }
    case CUPTI_ACTIVITY_KIND_MEMCPY:
      return add_work(moved(CudaEvent::copy, as<CUpti_ActivityMemcpy5>(record)), log);
    case CUPTI_ACTIVITY_KIND_MEMCPY2:  // between devices
      return add_work(moved(CudaEvent::copy, as<CUpti_ActivityMemcpyPtoP4>(record)), log);
    case CUPTI_ACTIVITY_KIND_MEMSET:
      return add_work(moved(CudaEvent::set, as<CUpti_ActivityMemset4>(record)), log);
    case CUPTI_ACTIVITY_KIND_SYNCHRONIZATION: {
      const auto& r = as<CUpti_ActivitySynchronization>(record);
      // There a stream waits, and not the program.
      if (r.type == CUPTI_ACTIVITY_SYNCHRONIZATION_TYPE_STREAM_WAIT_EVENT) return false;
      CudaEvent e;
      e.kind = CudaEvent::synchronize;
      e.stream = r.streamId;
      e.correlation = r.correlationId;
      e.start_ns = static_cast<int64_t>(r.start);
      e.end_ns = static_cast<int64_t>(r.end);
      log.add(e);
      return true;
    }
    case CUPTI_ACTIVITY_KIND_DRIVER:
    case CUPTI_ACTIVITY_KIND_RUNTIME: {
      const auto& r = as<CUpti_ActivityAPI>(record);
      CudaEvent e;
      e.kind = CudaEvent::call;
      e.thread = r.threadId;
      e.correlation = r.correlationId;
      e.start_ns = static_cast<int64_t>(r.start);
      e.end_ns = static_cast<int64_t>(r.end);
      log.add(e);
      return true;
    }
    case CUPTI_ACTIVITY_KIND_EXTERNAL_CORRELATION: {
      const auto& r = as<CUpti_ActivityExternalCorrelation>(record);
      if (r.externalKind != kOpCorrelation) return false;  // another profiler's, as PyTorch's own
      CudaEvent e;
      e.kind = CudaEvent::external;
      e.correlation = r.correlationId;
      e.id = r.externalId;
      log.add(e);
      return true;
    }
    default: return false;
  }
}

bool starts_something(std::string_view call) {
  constexpr std::string_view kParts[] = {"Launch", "Memcpy", "Memset", "Alloc", "alloc", "Free", "MemMap"};
  return std::ranges::any_of(kParts, [&](std::string_view part) { return call.find(part) != call.npos; });
}

}  // namespace tidemark
