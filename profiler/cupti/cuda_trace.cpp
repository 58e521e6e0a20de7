// The trace of what a CUDA program did on a device.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_map>
#include <utility>

#include "profiler/cupti/allocator_history.h"
#include "profiler/cupti/cuda_events.h"
#include "profiler/import/memory_recording.h"

namespace tidemark {
namespace {

/// Frees need not say where: CUDA finds an allocation by its address alone.
class Origin {
 public:
  struct Place {
    uint32_t device = 0;
    bool on_device = false;
  };
  /// Where the memory of an event lies.
  Place of(const CudaEvent& e) {
    const Place said{e.device, e.is_of_device()};
    if (e.kind == CudaEvent::allocate) return places_[e.address] = said;
    const auto it = places_.find(e.address);
    return it == places_.end() ? said : it->second;
  }

 private:
  std::unordered_map<uint64_t, Place> places_;
};

/// The NVTX ranges that are open, by the thread that opened them.
class Ranges {
 public:
  void begin(const CudaEvent& e, const std::string& name) {
    open_[e.thread].emplace_back(e.id, name);
    threads_[e.id] = e.thread;
  }
  /// A range may end in another thread, and not only the innermost.
  void end(const CudaEvent& e) {
    const auto it = threads_.find(e.id);
    if (it == threads_.end()) return;
    std::erase_if(open_[it->second], [&](const auto& range) { return range.first == e.id; });
    threads_.erase(it);
  }
  /// Outermost first, dots between them.
  std::string path(uint32_t thread) const {
    std::string path;
    if (const auto it = open_.find(thread); it != open_.end())
      for (const auto& [id, name] : it->second) path += (path.empty() ? "" : ".") + name;
    return path;
  }
  /// Of the thread that has most ranges open: memory operations do not say theirs.
  std::string deepest_path() const {
    const auto deepest = std::ranges::max_element(open_, {}, [](const auto& t) { return t.second.size(); });
    return deepest == open_.end() ? std::string() : path(deepest->first);
  }

 private:
  std::map<uint32_t, std::vector<std::pair<uint64_t, std::string>>> open_;
  std::unordered_map<uint64_t, uint32_t> threads_;
};

Phase phase_of(const std::string& path) {
  if (path.find("ptimizer") != std::string::npos) return Phase::optimizer;
  return path.find("ackward") != std::string::npos ? Phase::backward : Phase::forward;
}

std::string label(const CudaEventLog& log, const CudaEvent& e) {
  switch (e.kind) {
    case CudaEvent::kernel: return short_kernel_name(log.name(e.name));
    case CudaEvent::copy: return "memcpy";
    case CudaEvent::set: return "memset";
    default: return "memory operation";
  }
}

/// "/usr/lib/libnccl.so.2" -> "(libnccl.so.2)".
std::string source_module(const std::string& library) {
  return "(" + library.substr(library.find_last_of('/') + 1) + ")";
}

/// A context takes some hundred MiB; what is far more is in part of others, and the driver does not say
/// whose.
constexpr int64_t kMostOfContext = int64_t{2} << 30;

class TraceBuilder {
 public:
  TraceBuilder(const CudaEventLog& log, uint32_t device, const CudaTraceOptions& options)
      : log_(log), device_(device), events_(log.events()) {
    std::ranges::stable_sort(events_, {}, &CudaEvent::start_ns);
    find_ops();
    find_most_used();
    find_lives();
    if (options.snapshot && !options.snapshot->events(device).empty()) {
      allocator_.emplace(*options.snapshot, device, log.unix_offset_ns());
      of_allocator_ = allocator_->find(lives_);
    }
  }

  MemoryRecording build() {
    for (size_t i = 0; i < events_.size(); ++i) {
      const CudaEvent& e = events_[i];
      play_allocator(e.start_ns);
      if (e.kind == CudaEvent::range_begin) ranges_.begin(e, log_.name(e.name));
      if (e.kind == CudaEvent::range_end) ranges_.end(e);
      if (e.kind == CudaEvent::call) {
        modules_.try_emplace(e.correlation, ranges_.path(e.thread));
        if (allocator_) started_ns_.try_emplace(e.correlation, e.start_ns);
      }
      if (e.is_work() && e.device == device_) add_work(e);
      if (life_of_[i] != kElsewhere) add_memory(e, life_of_[i]);
      if (e.kind == CudaEvent::pool && e.device == device_) set_pool(e);
      if (i == most_used_) see_used(e);
    }
    play_allocator(INT64_MAX);
    if (allocator_) allocator_->add_rest(recording_);
    return std::move(recording_);
  }

  /// Named ops that started something on the device.
  int64_t named_ops() const {
    return std::ranges::count_if(ops_, [](const auto& op) { return op.second.is_used; });
  }

  /// The step at which the driver said most was in use: exactly what was allocated then lives at it.
  int64_t most_used_step() const { return most_used_step_; }

  /// Bytes that the allocator holds and others allocated, at a time.
  int64_t seen_bytes(int64_t time) const {
    int64_t bytes = 0;
    const auto count = [&](const HeldRange& r) {
      if (r.from <= time && time < r.to) bytes += static_cast<int64_t>(r.end - r.begin);
    };
    for (size_t i = 0; i < lives_.size(); ++i)
      if (!is_of_allocator(i)) count(lives_[i]);
    if (allocator_) std::ranges::for_each(allocator_->segments(), count);
    return bytes;
  }

 private:
  struct NamedOp {
    Name name;  ///< with its step
    Phase phase = Phase::forward;
    bool is_used = false;
  };

  static constexpr size_t kElsewhere = SIZE_MAX;         ///< no memory, or another device's
  static constexpr size_t kBefore = SIZE_MAX - 1;        ///< of memory that nobody was seen to allocate
  static constexpr uint64_t kPools = uint64_t{1} << 61;  ///< above all addresses; each has 1 << kPoolBits
  static constexpr int kPoolBits = 44;

  bool is_of_allocator(size_t life) const { return life != kBefore && allocator_ && of_allocator_[life]; }

  void find_most_used() {
    for (size_t i = 0; i < events_.size(); ++i) {
      const bool is_said = events_[i].kind == CudaEvent::in_use && events_[i].device == device_;
      if (is_said && (most_used_ == SIZE_MAX || events_[i].bytes >= events_[most_used_].bytes))
        most_used_ = i;
    }
  }

  void find_lives() {
    Origin origin;
    std::unordered_map<uint64_t, size_t> open;
    life_of_.assign(events_.size(), kElsewhere);
    for (size_t i = 0; i < events_.size(); ++i) {
      const CudaEvent& e = events_[i];
      if (!e.is_memory()) continue;
      const Origin::Place place = origin.of(e);
      if (!place.on_device || place.device != device_) continue;
      life_of_[i] = kBefore;
      if (const auto it = open.find(e.address); it != open.end()) {
        life_of_[i] = it->second;
        lives_[it->second].to = e.start_ns;
        open.erase(it);
      }
      if (e.kind != CudaEvent::allocate) continue;
      open[e.address] = life_of_[i] = lives_.size();
      pool_of_.push_back(e.id);
      lives_.push_back({e.address, e.address + static_cast<uint64_t>(e.bytes), e.start_ns, INT64_MAX});
    }
  }

  /// CUPTI may hand over what says it in any order.
  void find_ops() {
    for (const CudaEvent& e : events_) {
      if (e.kind == CudaEvent::external) op_of_call_[e.correlation] = e.id;
      if (e.kind == CudaEvent::graph_node) op_of_node_[e.address] = e.id;
      if (e.kind != CudaEvent::named_op) continue;
      const Name name = log_.name(e.name);
      ops_[e.id] = {e.bytes < 0 ? name : Name::numbered(name, static_cast<int32_t>(e.bytes)), e.phase};
    }
  }

  /// Null: nobody named it. A graph has one call for all of it, so what its nodes say comes first.
  NamedOp* op_of(const CudaEvent& e) {
    uint64_t id = 0;
    if (const auto node = op_of_node_.find(e.address); e.is_work() && node != op_of_node_.end())
      id = node->second;
    else if (const auto call = op_of_call_.find(e.correlation); call != op_of_call_.end())
      id = call->second;
    const auto op = ops_.find(id);
    return op == ops_.end() ? nullptr : &op->second;
  }

  std::string module_of(const CudaEvent& e) {
    if (const NamedOp* op = op_of(e)) return op->name;
    const auto known = modules_.find(e.correlation);
    return known == modules_.end() ? ranges_.deepest_path() : known->second;
  }

  void add_work(const CudaEvent& e) {
    step_ = {};
    if (NamedOp* op = op_of(e)) {
      op->is_used = true;
      recording_.begin_step({label(log_, e), op->name, op->phase}, {e.start_ns, e.end_ns});
      return;
    }
    std::string module = module_of(e);
    Phase phase = phase_of(module);
    if (module.empty() && allocator_)
      // Code asks for the memory of what it starts, and then starts it.
      if (const auto at = started_ns_.find(e.correlation); at != started_ns_.end())
        if (const Snapshot::Stack* stack = allocator_->stack_at(at->second)) {
          module = stack->module;
          phase = stack->phase;
        }
    recording_.begin_step({label(log_, e), module.empty() ? "(no range)" : module, phase},
                          {e.start_ns, e.end_ns});
  }

  void add_memory(const CudaEvent& e, size_t life) {
    if (is_of_allocator(life)) return;
    std::string module = module_of(e);
    if (e.name && (allocator_ || module.empty())) module = source_module(log_.name(e.name));
    if (module.empty()) module = allocator_ ? "(outside the allocator)" : "(no range)";
    begin_zero_step({label(log_, e), module, phase_of(module)}, e.start_ns);
    std::optional<MemoryRecording::Owner> owner;
    if (allocator_) owner = {"outside the caching allocator", module, Category::runtime};
    Pool* pool = life == kBefore || pool_of_[life] == 0 ? nullptr : &pools_[pool_of_[life]];
    if (e.kind == CudaEvent::allocate) {
      if (pool) hide_rest(*pool);  // first: some of it is what is allocated
      recording_.allocate(e.address, e.bytes, recording_.end_ns(), owner);
      if (pool) pool->given_out += e.bytes;
    } else {
      recording_.release(e.address, e.bytes);
      if (pool) pool->given_out -= static_cast<int64_t>(lives_[life].end - lives_[life].begin);
    }
    if (pool) show_rest(*pool);
  }

  void set_pool(const CudaEvent& e) {
    Pool& pool = pools_[e.address];
    pool.bytes = e.bytes;
    pool.threshold = static_cast<int64_t>(std::min<uint64_t>(e.id, INT64_MAX));
    if (rest_of(pool) == pool.shown) return;
    begin_zero_step({label(log_, e), "(memory pool)", Phase::forward}, e.start_ns);
    show_rest(pool);
  }

  struct Pool {
    int64_t bytes = 0;      ///< that it has from the driver
    int64_t threshold = 0;  ///< that it keeps of them when nobody uses them
    int64_t given_out = 0;
    int64_t shown = 0;   ///< of the rest
    uint64_t place = 0;  ///< where the rest is shown: nobody says where it lies
  };

  /// What it has and nobody uses. What is above the threshold goes the next time that the program waits for
  /// the device, of which there is no record.
  static int64_t rest_of(const Pool& pool) {
    return std::max<int64_t>(std::min(pool.bytes, std::max(pool.given_out, pool.threshold)) - pool.given_out,
                             0);
  }

  void hide_rest(Pool& pool) {
    if (pool.shown > 0) recording_.release(pool.place, pool.shown);
    pool.shown = 0;
  }

  void show_rest(Pool& pool) {
    const int64_t rest = rest_of(pool);
    if (rest == pool.shown) return;
    if (pool.place == 0) pool.place = kPools + (pools_.size() << kPoolBits);
    hide_rest(pool);
    if (rest > 0)
      recording_.allocate(pool.place, rest, recording_.end_ns(),
                          MemoryRecording::Owner{"memory pool", "(memory pool)", Category::runtime});
    pool.shown = rest;
  }

  /// What the allocator did up to a time.
  void play_allocator(int64_t time) {
    if (!allocator_) return;
    while (const Snapshot::Event* e = allocator_->next(time)) {
      const Snapshot::Stack& stack = allocator_->stack(*e);
      begin_zero_step({stack.op, stack.module, stack.phase, stack.of_library}, allocator_->time_ns(*e));
      switch (e->action) {
        case Snapshot::Event::alloc:
          recording_.allocate(e->address, Snapshot::block_bytes(e->bytes), recording_.end_ns());
          break;
        case Snapshot::Event::free_completed:
          recording_.release(e->address, Snapshot::block_bytes(e->bytes));
          break;
        case Snapshot::Event::segment_alloc:
          recording_.hold(e->address, e->bytes, recording_.end_ns());
          break;
        case Snapshot::Event::segment_free: recording_.give_back(e->address, e->bytes); break;
      }
    }
  }

  void see_used(const CudaEvent& e) {
    begin_zero_step({"in use, says the driver", "(driver)", Phase::forward}, e.start_ns);
    step_ = {};
    most_used_step_ = recording_.steps() - 1;
  }

  /// A step of memory operations, after the kernel that runs: it must not be cut off.
  void begin_zero_step(const MemoryRecording::Op& op, int64_t time) {
    if (!recording_.empty() && step_ == std::pair(op.name, op.module)) return;
    const int64_t at = recording_.empty() ? time : std::max(time, recording_.end_ns());
    recording_.begin_step(op, {at, at});
    step_ = {op.name, op.module};
  }

  const CudaEventLog& log_;
  uint32_t device_;
  std::vector<CudaEvent> events_;                      ///< by time
  std::unordered_map<uint64_t, NamedOp> ops_;          ///< by id
  std::unordered_map<uint32_t, uint64_t> op_of_call_;  ///< by correlation
  std::unordered_map<uint64_t, uint64_t> op_of_node_;
  std::unordered_map<uint32_t, std::string> modules_;  ///< by correlation
  std::unordered_map<uint32_t, int64_t> started_ns_;   ///< by correlation
  std::vector<HeldRange> lives_;                       ///< of the device's allocations
  std::vector<uint64_t> pool_of_;                      ///< of lives_: which they are from; 0: none
  std::unordered_map<uint64_t, Pool> pools_;           ///< by address
  std::vector<size_t> life_of_;                        ///< of events_: in lives_, or as above
  std::optional<AllocatorHistory> allocator_;
  std::vector<bool> of_allocator_;  ///< of lives_: they are its segments
  MemoryRecording recording_;
  size_t most_used_ = SIZE_MAX;  ///< of events_: the last that says most is in use
  int64_t most_used_step_ = -1;
  Ranges ranges_;
  std::pair<Name, Name> step_;  ///< op and module of a step of memory operations; else empty
};

}  // namespace

void CudaEventLog::write_trace(const std::string& path, uint32_t device, nlohmann::json metadata,
                               const CudaTraceOptions& options) const {
  TraceBuilder builder(*this, device, options);
  MemoryRecording recording = builder.build();
  metadata.update({{"source", options.snapshot ? "CUPTI and PyTorch's allocator" : "CUPTI"},
                   {"device", "cuda:" + std::to_string(device)},
                   {"open_at_start", recording.open_at_start()},
                   {"open_at_end", recording.open_at_end()},
                   {"pinned_peak_bytes", pinned_peak_bytes()}});
  if (const Waits all = waits(); all.count > 0)
    metadata.update({{"waits", all.count}, {"wait_seconds", all.seconds}});
  if (builder.named_ops() > 0) metadata["named_ops"] = builder.named_ops();
  const CudaEvent *first = nullptr, *most = nullptr;  // samples of the memory that is in use
  for (const CudaEvent& e : events_) {
    if (e.kind != CudaEvent::in_use || e.device != device) continue;
    if (!first) first = &e;
    if (!most || e.bytes >= most->bytes) most = &e;
  }
  if (first) {
    // What nobody allocated when the driver first said what is in use: the context, and what others have.
    const int64_t context = std::max<int64_t>(first->bytes - builder.seen_bytes(first->start_ns), 0);
    recording.add_runtime(context,
                          context <= kMostOfContext ? "CUDA context" : "CUDA context, other programs");
    metadata.update({{"context_bytes", context},
                     {"device_used_bytes", most->bytes},
                     {"device_used_step", builder.most_used_step()},
                     {"device_used_at_ns", most->start_ns}});
  }
  recording.write(path, metadata, first ? most->bytes : 0);
}

}  // namespace tidemark
