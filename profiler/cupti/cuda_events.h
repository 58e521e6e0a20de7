// What a CUDA program did, without the types of CUPTI, and the trace of it.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/category.h"

namespace tidemark {

struct CudaEvent {
  enum Kind : uint8_t {
    allocate,
    release,
    kernel,
    copy,
    set,
    synchronize,  ///< the program waits for the device
    call,         ///< of the CUDA API; what it starts has its correlation
    range_begin,  ///< NVTX
    range_end,
    named_op,    ///< of the caller's (base/current_op.h), by its id, once
    external,    ///< a correlation belongs to a named op
    graph_node,  ///< a node of a CUDA graph belongs to a named op
    in_use,      ///< the driver says how many bytes of a device's memory are
    pool,        ///< how much a memory pool (cudaMallocAsync) has of a device's memory
  };
  enum Space : uint8_t { device_memory, managed, pinned, other };

  Kind kind = kernel;
  Space space = device_memory;   ///< of memory
  Phase phase = Phase::forward;  ///< of a named op
  uint32_t device = 0, stream = 0, thread = 0;
  uint32_t correlation = 0;
  uint32_t name = 0;  ///< of kernels, ranges, ops, and memory (the library that asked for it); 0: none
  int64_t start_ns = 0, end_ns = 0;
  uint64_t id = 0;       ///< of a range, or a named op; of memory its pool; of a pool see `bytes`
  uint64_t address = 0;  ///< of memory, or a pool; of kernels, copies, sets: the graph's node, 0: none
  /// Of memory, copies and sets; in use; of a pool, which keeps up to `id` if nobody uses it; of a named op
  /// its step.
  int64_t bytes = 0;

  bool is_work() const { return kind == kernel || kind == copy || kind == set; }
  bool is_memory() const { return kind == allocate || kind == release; }
  bool is_of_device() const { return space == device_memory || space == managed; }  ///< of memory
};

class Snapshot;

struct CudaTraceOptions {
  const Snapshot* snapshot = nullptr;  ///< of PyTorch's allocator in this process
};

/// All events of one process.
class CudaEventLog {
 public:
  /// What to add to the times of the events for those of the Unix clock.
  void set_unix_offset(int64_t ns) { unix_offset_ns_ = ns; }

  int64_t unix_offset_ns() const { return unix_offset_ns_; }

  uint32_t intern(const char* name);
  void add(const CudaEvent& event) { events_.push_back(event); }

  const std::vector<CudaEvent>& events() const { return events_; }
  void clear_events() { events_.clear(); }
  size_t names() const { return names_.size(); }  ///< the first is ""
  const std::string& name(uint32_t index) const { return names_[index]; }
  /// Those whose memory was used, in order.
  std::vector<uint32_t> devices() const;
  /// Most bytes of pinned host memory at a time.
  int64_t pinned_peak_bytes() const;

  struct Waits {
    int64_t count = 0;
    double seconds = 0;  ///< of all threads
  };
  Waits waits() const;

  /// Writes what happened on a device as one training step: a step of the program for each kernel, copy and
  /// set, and for memory operations between them. A step's module is the named op that started it, else the
  /// NVTX ranges that were open in the thread that did. With a snapshot, the allocations that are
  /// its allocator's segments are replaced by what the allocator made of them. Throws Error, also where the
  /// snapshot is not of this process.
  void write_trace(const std::string& path, uint32_t device, nlohmann::json metadata,
                   const CudaTraceOptions& options = {}) const;

 private:
  int64_t unix_offset_ns_ = 0;
  std::vector<CudaEvent> events_;
  std::vector<std::string> names_ = {""};
  std::unordered_map<std::string, uint32_t> numbers_;
};

/// "void at::native::kernel<4, T>(int)" or its mangled name -> "at::native::kernel".
std::string short_kernel_name(const std::string& name);

}  // namespace tidemark
