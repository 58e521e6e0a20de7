#include "profiler/cupti/collector.h"

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "base/cuda_library.h"
#include "profiler/cupti/callbacks.h"
#include "profiler/cupti/decoder.h"
#include "profiler/cupti/journal.h"
#include "profiler/cupti/memory_calls.h"
#include "profiler/cupti/memory_sampler.h"
#include "profiler/cupti/op_names.h"
#include "profiler/cupti/record_file.h"

namespace tidemark {
namespace {

/// CUPTI's functions, found at run time.
struct Cupti {
  decltype(&cuptiActivityRegisterCallbacks) register_callbacks = nullptr;
  decltype(&cuptiActivityRegisterTimestampCallback) register_clock = nullptr;
  decltype(&cuptiActivityEnable) enable = nullptr;
  decltype(&cuptiActivityDisable) disable = nullptr;
  decltype(&cuptiActivityFlushAll) flush = nullptr;
  decltype(&cuptiActivityGetNextRecord) next_record = nullptr;
  decltype(&cuptiActivityGetNumDroppedRecords) dropped = nullptr;
  decltype(&cuptiGetResultString) result_string = nullptr;
  decltype(&cuptiGetVersion) version = nullptr;
  decltype(&cuptiGetCallbackName) callback_name = nullptr;  ///< may be null
  /// cuptiActivityEnableAllocationSource; null before CUDA 12.8.
  CUptiResult(CUPTIAPI* enable_sources)(uint8_t enable) = nullptr;

  /// Returns why not; empty: all are there.
  std::string load(const CudaLibrary& library) {
    if (!library) return "libcupti.so is not found";
    std::string missing;
    const auto find = [&](auto& function, const char* name) {
      if (!library.find(function, name)) missing = name;
    };
    find(register_callbacks, "cuptiActivityRegisterCallbacks");
    find(register_clock, "cuptiActivityRegisterTimestampCallback");
    find(enable, "cuptiActivityEnable");
    find(disable, "cuptiActivityDisable");
    find(flush, "cuptiActivityFlushAll");
    find(next_record, "cuptiActivityGetNextRecord");
    find(dropped, "cuptiActivityGetNumDroppedRecords");
    find(result_string, "cuptiGetResultString");
    find(version, "cuptiGetVersion");
    library.find(callback_name, "cuptiGetCallbackName");
    library.find(enable_sources, "cuptiActivityEnableAllocationSource");
    return missing.empty() ? "" : "libcupti.so lacks " + missing;
  }

  std::string text_of(CUptiResult result) const {
    const char* text = nullptr;
    return result_string(result, &text) == CUPTI_SUCCESS && text ? text : "error " + std::to_string(result);
  }
};

/// What to add to our clock for the Unix clock. Of several readings that with the least time between the two.
int64_t unix_offset_ns() {
  using namespace std::chrono;
  int64_t least = INT64_MAX, offset = 0;
  for (int i = 0; i < 16; ++i) {
    const int64_t before = now_ns();
    const auto unix_time = duration_cast<nanoseconds>(system_clock::now().time_since_epoch()).count();
    const int64_t took = now_ns() - before;
    if (took >= least) continue;
    least = took;
    offset = unix_time - (before + took / 2);
  }
  return offset;
}

/// Room for some 50,000 kernels; CUPTI asks for another while this one is read.
constexpr size_t kBufferBytes = size_t{8} << 20;
constexpr size_t kAlignment = 8;  ///< that CUPTI asks for

constexpr CUpti_ActivityKind kMemoryKinds[] = {CUPTI_ACTIVITY_KIND_MEMORY2, CUPTI_ACTIVITY_KIND_MEMORY_POOL,
                                               CUPTI_ACTIVITY_KIND_MARKER,
                                               CUPTI_ACTIVITY_KIND_EXTERNAL_CORRELATION};
constexpr CUpti_ActivityKind kWorkKinds[] = {CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL,
                                             CUPTI_ACTIVITY_KIND_MEMCPY,
                                             CUPTI_ACTIVITY_KIND_MEMCPY2,
                                             CUPTI_ACTIVITY_KIND_MEMSET,
                                             CUPTI_ACTIVITY_KIND_SYNCHRONIZATION,
                                             CUPTI_ACTIVITY_KIND_RUNTIME,
                                             CUPTI_ACTIVITY_KIND_DRIVER};

}  // namespace

struct CudaCollector::State {
  Cupti cupti;
  std::mutex free_mutex;  ///< its own: threads of the program ask for buffers, and must not wait for the disk
  std::vector<void*> free_buffers;
  std::mutex mutex;  ///< CUPTI hands buffers over from threads of its own
  CudaEventLog log;  ///< what is not in the journal yet
  JournalWriter journal;
  std::optional<RecordWriter> records;
  std::vector<std::optional<bool>> runtime_calls, driver_calls;  ///< whether they are of use, by id
  std::string failure;                                           ///< why the journal ends early
  int64_t dropped = 0;                                           ///< that the driver had no room for
  uint32_t version = 0;                                          ///< of CUPTI
  bool recording = false;
  MemorySampler sampler;
  CuptiCallbacks callbacks;
  MemoryCalls calls{[this](const CudaEvent& e) { add(e); },
                    [this](const char* name) { return intern(name); }};
  OpNames ops{callbacks, [this](const CudaEvent& e) { add(e); },
              [this](const char* name) { return intern(name); }};
  std::thread flusher;
  std::condition_variable changed;

  static void CUPTIAPI requested(uint8_t** buffer, size_t* size, size_t* max_records) {
    *buffer = static_cast<uint8_t*>(instance().state().take_buffer());
    *size = *buffer ? kBufferBytes : 0;
    *max_records = 0;  // as many as fit
  }
  static void CUPTIAPI completed(CUcontext context, uint32_t stream, uint8_t* buffer, size_t, size_t valid) {
    instance().state().read_buffer(context, stream, buffer, valid);
  }
  static uint64_t CUPTIAPI clock() { return static_cast<uint64_t>(now_ns()); }

  void* take_buffer() {
    const std::lock_guard lock(free_mutex);
    if (free_buffers.empty()) return std::aligned_alloc(kAlignment, kBufferBytes);
    void* buffer = free_buffers.back();
    free_buffers.pop_back();
    return buffer;
  }

  void read_buffer(CUcontext context, uint32_t stream, uint8_t* buffer, size_t valid) {
    {
      const std::lock_guard lock(mutex);
      CUpti_Activity *record = nullptr, *before = nullptr;
      while (cupti.next_record(buffer, valid, &record) == CUPTI_SUCCESS) {
        keep_record(std::exchange(before, record), record);
        if (is_of_use(*record)) decode(*record, log, version);
      }
      keep_record(before, buffer + valid);
      keep();
      size_t lost = 0;
      if (cupti.dropped(context, stream, &lost) == CUPTI_SUCCESS) dropped += static_cast<int64_t>(lost);
    }
    const std::lock_guard lock(free_mutex);
    free_buffers.push_back(buffer);
  }

  /// With the mutex.
  bool is_of_use(const CUpti_Activity& record) {
    const bool is_runtime = record.kind == CUPTI_ACTIVITY_KIND_RUNTIME;
    if ((!is_runtime && record.kind != CUPTI_ACTIVITY_KIND_DRIVER) || !cupti.callback_name) return true;
    const CUpti_CallbackId id = reinterpret_cast<const CUpti_ActivityAPI&>(record).cbid;
    std::vector<std::optional<bool>>& known = is_runtime ? runtime_calls : driver_calls;
    if (id >= known.size()) known.resize(id + 1);
    if (!known[id]) {
      const char* name = nullptr;
      const auto domain = is_runtime ? CUPTI_CB_DOMAIN_RUNTIME_API : CUPTI_CB_DOMAIN_DRIVER_API;
      known[id] = cupti.callback_name(domain, id, &name) != CUPTI_SUCCESS || !name || starts_something(name);
    }
    return *known[id];
  }

  /// With the mutex. `end`: where the next one begins.
  void keep_record(const CUpti_Activity* record, const void* end) {
    if (!record || !records) return;
    records->add(*record,
                 static_cast<size_t>(static_cast<const char*>(end) - reinterpret_cast<const char*>(record)));
  }

  void add(const CudaEvent& e) {
    const std::lock_guard lock(mutex);
    log.add(e);
  }

  uint32_t intern(const char* name) {
    const std::lock_guard lock(mutex);
    return log.intern(name);
  }

  /// With the mutex.
  void keep() {
    try {
      if (failure.empty()) journal.append(log);
    } catch (const std::exception& e) {
      failure = e.what();
    }
    log.clear_events();
  }

  /// So that little is lost if the program is killed: of CUPTI's buffers, which take long to fill, those
  /// whose records are complete.
  void flush_now_and_then() {
    std::unique_lock lock(mutex);
    while (!changed.wait_for(lock, std::chrono::milliseconds(500), [this] { return !recording; })) {
      lock.unlock();  // it is called back
      cupti.flush(0);
      lock.lock();
      keep();
    }
  }

  std::string enable(CUpti_ActivityKind kind) {
    const CUptiResult result = cupti.enable(kind);
    return result == CUPTI_SUCCESS ? "" : cupti.text_of(result);
  }
};

CudaCollector& CudaCollector::instance() {
  static CudaCollector collector;
  return collector;
}

/// Never destroyed: CUPTI's threads may come after all else has ended.
CudaCollector::State& CudaCollector::state() const {
  static auto* state = new State;
  return *state;
}

std::string CudaCollector::start(const Options& options, const nlohmann::json& metadata) {
  State& s = state();
  const CudaLibrary library(kCuptiNames);
  if (std::string why = s.cupti.load(library); !why.empty()) return why;
  s.cupti.version(&s.version);
  if (!options.records.empty()) s.records.emplace(options.records, s.version);
  if (s.cupti.enable_sources) s.cupti.enable_sources(1);  // who asked is of use, but not needed
  // The clock of our own traces, so that both can be laid over one another.
  if (const auto result = s.cupti.register_clock(State::clock); result != CUPTI_SUCCESS)
    return s.cupti.text_of(result);
  if (const auto result = s.cupti.register_callbacks(State::requested, State::completed);
      result != CUPTI_SUCCESS)
    return s.cupti.text_of(result);
  for (const CUpti_ActivityKind kind : kMemoryKinds)
    if (std::string why = s.enable(kind); !why.empty()) return why;
  if (options.kernels)
    for (const CUpti_ActivityKind kind : kWorkKinds)
      if (std::string why = s.enable(kind); !why.empty()) return why;
  nlohmann::json begin = metadata;
  begin["unix_offset_ns"] = unix_offset_ns();
  if (std::string why = s.ops.start(library); !why.empty()) return why;
  s.callbacks.start(library);
  if (const std::string why = s.calls.start(s.callbacks); !why.empty()) begin["mapped_memory_unseen"] = why;
  s.journal.open(options.journal, begin);
  s.recording = true;
  s.flusher = std::thread([&s] { s.flush_now_and_then(); });
  s.sampler.start([&s](uint32_t device, int64_t time, int64_t bytes) {
    CudaEvent e;
    e.kind = CudaEvent::in_use;
    e.device = device;
    e.start_ns = e.end_ns = time;
    e.bytes = bytes;
    s.add(e);
  });
  return {};
}

std::string CudaCollector::stop() {
  State& s = state();
  {
    const std::lock_guard lock(s.mutex);
    if (!std::exchange(s.recording, false)) return {};
  }
  s.changed.notify_all();
  s.flusher.join();
  s.sampler.stop();
  s.callbacks.stop();
  const int64_t offset = unix_offset_ns();
  s.cupti.flush(CUPTI_ACTIVITY_FLAG_FLUSH_FORCED);
  for (const CUpti_ActivityKind kind : kMemoryKinds) s.cupti.disable(kind);
  for (const CUpti_ActivityKind kind : kWorkKinds) s.cupti.disable(kind);
  nlohmann::json end = {{"unix_offset_ns", offset}};
  if (const std::string why = s.ops.graphs_unseen(); !why.empty()) end["graph_ops_unseen"] = why;
  const std::lock_guard lock(s.mutex);
  s.keep();
  end["dropped_records"] = s.dropped;
  try {
    if (s.failure.empty()) s.journal.finish(end);
  } catch (const std::exception& e) {
    s.failure = e.what();
  }
  return s.failure;
}

void CudaCollector::set_current_op(const CurrentOp* op) {
  State& s = state();
  {
    const std::lock_guard lock(s.mutex);
    if (!s.recording) return;
  }
  s.ops.set(op);
}

}  // namespace tidemark
