// Stands in for NVIDIA's driver and for CUPTI, in one library: a device on which a test allocates what it
// says.
#include <cuda.h>
#include <cupti.h>
#include <dlfcn.h>

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace {

constexpr size_t kTotal = size_t{80} << 30;

std::mutex mutex;
std::condition_variable asked;
int questions = 0;  // how much memory is in use
int flushes = 0;    // that are done
size_t used = 0;
bool active = false;
std::map<uint64_t, size_t> live;
struct Record {
  alignas(8) char bytes[256];  // one of any kind
};
std::vector<Record> records;
std::set<std::string> names;  // which records point to

CUpti_BuffersCallbackRequestFunc requested = nullptr;
CUpti_BuffersCallbackCompleteFunc completed = nullptr;
CUpti_TimestampCallbackFunc clock_ns = nullptr;
bool sources = false;
size_t lost = 0;  // records, not told of yet

CUpti_CallbackFunc subscriber = nullptr;
void* subscriber_data = nullptr;
bool is_taken = false;  // the place of the subscriber, by another profiler
std::set<std::pair<CUpti_CallbackDomain, CUpti_CallbackId>> followed;
uint32_t correlation = 0;  // of the last launch
thread_local std::vector<std::pair<CUpti_ExternalCorrelationKind, uint64_t>> external_ids;
thread_local CUstreamCaptureMode capture_mode = CU_STREAM_CAPTURE_MODE_GLOBAL;

bool tells_of(CUpti_CallbackDomain domain, CUpti_CallbackId id) {
  const std::lock_guard lock(mutex);
  return subscriber && followed.contains({domain, id});
}

/// Tells the subscriber of a call, before and after it.
void call(CUpti_CallbackId id, const void* parameters) {
  if (!tells_of(CUPTI_CB_DOMAIN_DRIVER_API, id)) return;
  CUresult result = CUDA_SUCCESS;
  CUpti_CallbackData data = {};
  data.functionParams = parameters;
  data.functionReturnValue = &result;
  for (const auto site : {CUPTI_API_ENTER, CUPTI_API_EXIT}) {
    data.callbackSite = site;
    subscriber(subscriber_data, CUPTI_CB_DOMAIN_DRIVER_API, id, &data);
  }
}

/// Tells the subscriber of a node of a graph, whose handle is its number.
void tell_of_node(CUpti_CallbackId id, uint64_t node, uint64_t original) {
  if (!tells_of(CUPTI_CB_DOMAIN_RESOURCE, id)) return;
  CUpti_GraphData graph = {};
  graph.node = reinterpret_cast<CUgraphNode>(node);
  graph.originalNode = reinterpret_cast<CUgraphNode>(original);
  CUpti_ResourceData data = {};
  data.resourceDescriptor = &graph;
  subscriber(subscriber_data, CUPTI_CB_DOMAIN_RESOURCE, id, &data);
}

template <typename Any>
void add(const Any& record) {
  static_assert(sizeof record <= sizeof(Record));
  std::memcpy(records.emplace_back().bytes, &record, sizeof record);
}

void record(CUpti_ActivityMemoryOperationType type, uint64_t address, size_t bytes, const char* source) {
  CUpti_ActivityMemory4 r = {};
  r.kind = CUPTI_ACTIVITY_KIND_MEMORY2;
  r.memoryOperationType = type;
  r.memoryKind = CUPTI_ACTIVITY_MEMORY_KIND_DEVICE;
  r.address = address;
  r.bytes = bytes;
  r.timestamp = clock_ns ? clock_ns() : 0;
  r.source = sources && source ? names.insert(source).first->c_str() : nullptr;
  add(r);
}

}  // namespace

extern "C" {

// --- what a test calls

/// Waits until somebody has asked how much is in use, who sees all that was done before.
void fake_wait() {
  std::unique_lock lock(mutex);
  const int before = questions;
  asked.wait(lock, [&] { return questions > before; });
}
/// Waits until what was recorded before has been handed over and kept.
void fake_wait_for_flushes() {
  std::unique_lock lock(mutex);
  const int before = flushes;
  asked.wait(lock, [&] { return flushes > before + 1; });
}
/// As the driver does when a program starts it: loads what is to be injected, and makes a context.
void fake_start(size_t context_bytes) {
  if (const char* injected = std::getenv("CUDA_INJECTION64_PATH"))
    if (void* library = dlopen(injected, RTLD_NOW))
      reinterpret_cast<int (*)()>(dlsym(library, "InitializeInjection"))();
  const std::lock_guard lock(mutex);
  used = context_bytes;
  active = true;
}
void fake_allocate(uint64_t address, size_t bytes, const char* source) {
  const std::lock_guard lock(mutex);
  used += live[address] = bytes;
  record(CUPTI_ACTIVITY_MEMORY_OPERATION_TYPE_ALLOCATION, address, bytes, source);
}
void fake_free(uint64_t address) {
  const std::lock_guard lock(mutex);
  used -= live[address];
  record(CUPTI_ACTIVITY_MEMORY_OPERATION_TYPE_RELEASE, address, live[address], nullptr);
}

/// As an allocator with expandable segments does.
void fake_map(uint64_t handle, uint64_t address, size_t bytes) {
  CUmemAllocationProp where = {};
  where.location = {CU_MEM_LOCATION_TYPE_DEVICE, 0};
  CUmemGenericAllocationHandle made = handle;
  const cuMemCreate_params create = {&made, bytes, &where, 0};
  const cuMemMap_params map = {address, bytes, 0, handle, 0};
  {
    const std::lock_guard lock(mutex);
    used += bytes;
  }
  call(CUPTI_DRIVER_TRACE_CBID_cuMemCreate, &create);
  call(CUPTI_DRIVER_TRACE_CBID_cuMemMap, &map);
}
void fake_unmap(uint64_t handle, uint64_t address, size_t bytes) {
  const cuMemUnmap_params unmap = {address, bytes};
  const cuMemRelease_params release = {handle};
  call(CUPTI_DRIVER_TRACE_CBID_cuMemUnmap, &unmap);
  call(CUPTI_DRIVER_TRACE_CBID_cuMemRelease, &release);
  const std::lock_guard lock(mutex);
  used -= bytes;
}
void fake_lose(size_t records_lost) {
  const std::lock_guard lock(mutex);
  lost += records_lost;
}
/// Launches a kernel; `node`: of the graph that is launched, else 0.
void fake_launch(const char* kernel, uint64_t node) {
  const std::lock_guard lock(mutex);
  CUpti_ActivityKernel9 r = {};
  r.kind = CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL;
  r.name = names.insert(kernel).first->c_str();
  r.start = clock_ns ? clock_ns() : 1;
  r.end = r.start + 100;
  r.correlationId = ++correlation;
  r.graphNodeId = node;
  add(r);
  if (external_ids.empty()) return;
  CUpti_ActivityExternalCorrelation e = {};
  e.kind = CUPTI_ACTIVITY_KIND_EXTERNAL_CORRELATION;
  e.externalKind = external_ids.back().first;
  e.externalId = external_ids.back().second;
  e.correlationId = correlation;
  add(e);
}
void fake_add_node(uint64_t node) {
  tell_of_node(CUPTI_CBID_RESOURCE_GRAPHNODE_CREATED, node, 0);
}
void fake_clone_node(uint64_t original, uint64_t node) {
  tell_of_node(CUPTI_CBID_RESOURCE_GRAPHNODE_CLONED, node, original);
}
/// Whether anybody follows graphs, or has a correlation in this thread.
int fake_is_asked_for_ops() {
  return tells_of(CUPTI_CB_DOMAIN_RESOURCE, CUPTI_CBID_RESOURCE_GRAPHNODE_CREATED) || !external_ids.empty();
}
/// Another profiler comes first.
void fake_subscribe() {
  is_taken = true;
}

// --- the driver

CUresult cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode* mode) {
  std::swap(*mode, capture_mode);
  return CUDA_SUCCESS;
}
CUresult cuDeviceGetCount(int* count) {
  *count = 1;
  return CUDA_SUCCESS;
}
CUresult cuDevicePrimaryCtxGetState(CUdevice, unsigned*, int* is_active) {
  const std::lock_guard lock(mutex);
  *is_active = active;
  return CUDA_SUCCESS;
}
CUresult cuDevicePrimaryCtxRetain(CUcontext*, CUdevice) {
  return CUDA_SUCCESS;
}
CUresult cuDevicePrimaryCtxRelease_v2(CUdevice) {
  return CUDA_SUCCESS;
}
CUresult cuCtxPushCurrent_v2(CUcontext) {
  return CUDA_SUCCESS;
}
CUresult cuCtxPopCurrent_v2(CUcontext*) {
  return CUDA_SUCCESS;
}
CUresult cuMemGetInfo_v2(size_t* free, size_t* total) {
  if (capture_mode != CU_STREAM_CAPTURE_MODE_RELAXED) {
    std::fputs("a question that spoils the program's captures\n", stderr);
    std::abort();
  }
  const std::lock_guard lock(mutex);
  *total = kTotal;
  *free = kTotal - used;
  ++questions;
  asked.notify_all();
  return CUDA_SUCCESS;
}

// --- CUPTI

CUptiResult cuptiSubscribe(CUpti_SubscriberHandle*, CUpti_CallbackFunc callback, void* data) {
  if (is_taken) return CUPTI_ERROR_MULTIPLE_SUBSCRIBERS_NOT_SUPPORTED;
  subscriber = callback;
  subscriber_data = data;
  return CUPTI_SUCCESS;
}
CUptiResult cuptiUnsubscribe(CUpti_SubscriberHandle) {
  subscriber = nullptr;
  return CUPTI_SUCCESS;
}
CUptiResult cuptiEnableCallback(uint32_t, CUpti_SubscriberHandle, CUpti_CallbackDomain domain,
                                CUpti_CallbackId id) {
  const std::lock_guard lock(mutex);
  followed.emplace(domain, id);
  return CUPTI_SUCCESS;
}
CUptiResult cuptiGetVersion(uint32_t* version) {
  *version = CUPTI_API_VERSION;
  return CUPTI_SUCCESS;
}
CUptiResult cuptiActivityEnableAllocationSource(uint8_t enable) {
  sources = enable;
  return CUPTI_SUCCESS;
}
CUptiResult cuptiActivityRegisterCallbacks(CUpti_BuffersCallbackRequestFunc request,
                                           CUpti_BuffersCallbackCompleteFunc complete) {
  requested = request;
  completed = complete;
  return CUPTI_SUCCESS;
}
CUptiResult cuptiActivityRegisterTimestampCallback(CUpti_TimestampCallbackFunc function) {
  clock_ns = function;
  return CUPTI_SUCCESS;
}
CUptiResult cuptiActivityEnable(CUpti_ActivityKind) {
  return CUPTI_SUCCESS;
}
CUptiResult cuptiActivityDisable(CUpti_ActivityKind) {
  return CUPTI_SUCCESS;
}
CUptiResult cuptiActivityFlushAll(uint32_t) {
  uint8_t* buffer = nullptr;
  size_t size = 0, most = 0, bytes = 0;
  requested(&buffer, &size, &most);
  {
    const std::lock_guard lock(mutex);
    bytes = records.size() * sizeof records[0];
    if (bytes > size) return CUPTI_ERROR_OUT_OF_MEMORY;
    std::memcpy(buffer, records.data(), bytes);
    records.clear();
  }
  completed(nullptr, 0, buffer, size, bytes);
  const std::lock_guard lock(mutex);
  ++flushes;
  asked.notify_all();
  return CUPTI_SUCCESS;
}
CUptiResult cuptiActivityGetNextRecord(uint8_t* buffer, size_t valid, CUpti_Activity** record) {
  auto* next = *record ? reinterpret_cast<uint8_t*>(*record) + sizeof records[0] : buffer;
  if (next >= buffer + valid) return CUPTI_ERROR_MAX_LIMIT_REACHED;
  *record = reinterpret_cast<CUpti_Activity*>(next);
  return CUPTI_SUCCESS;
}
CUptiResult cuptiActivityGetNumDroppedRecords(CUcontext, uint32_t, size_t* dropped) {
  const std::lock_guard lock(mutex);
  *dropped = std::exchange(lost, 0);
  return CUPTI_SUCCESS;
}
CUptiResult cuptiActivityPushExternalCorrelationId(CUpti_ExternalCorrelationKind kind, uint64_t id) {
  external_ids.emplace_back(kind, id);
  return CUPTI_SUCCESS;
}
CUptiResult cuptiActivityPopExternalCorrelationId(CUpti_ExternalCorrelationKind kind, uint64_t* last) {
  if (external_ids.empty() || external_ids.back().first != kind) return CUPTI_ERROR_QUEUE_EMPTY;
  *last = external_ids.back().second;
  external_ids.pop_back();
  return CUPTI_SUCCESS;
}
CUptiResult cuptiGetGraphNodeId(CUgraphNode node, uint64_t* id) {
  *id = reinterpret_cast<uint64_t>(node);
  return CUPTI_SUCCESS;
}
CUptiResult cuptiGetResultString(CUptiResult, const char** text) {
  *text = "an error";
  return CUPTI_SUCCESS;
}
}
