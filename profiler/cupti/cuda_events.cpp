#include "profiler/cupti/cuda_events.h"

#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <set>

#include "profiler/import/memory_recording.h"

namespace tidemark {
namespace {

using Kind = CudaEvent::Kind;

bool is_work(Kind kind) {
  return kind == CudaEvent::kernel || kind == CudaEvent::copy || kind == CudaEvent::set;
}
bool is_memory(Kind kind) {
  return kind == CudaEvent::allocate || kind == CudaEvent::release;
}
bool is_of_device(const CudaEvent& e) {
  return e.space == CudaEvent::device_memory || e.space == CudaEvent::managed;
}

/// Frees need not say where: CUDA finds an allocation by its address alone.
class Origin {
 public:
  struct Place {
    uint32_t device = 0;
    bool on_device = false;
  };
  /// Where the memory of an event lies.
  Place of(const CudaEvent& e) {
    const Place said{e.device, is_of_device(e)};
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

}  // namespace

uint32_t CudaEventLog::intern(const char* name) {
  if (name == nullptr || *name == '\0') return 0;
  const auto [it, is_new] = numbers_.try_emplace(name, static_cast<uint32_t>(names_.size()));
  if (is_new) names_.emplace_back(name);
  return it->second;
}

std::vector<uint32_t> CudaEventLog::devices() const {
  std::set<uint32_t> found;
  for (const CudaEvent& e : events_)
    if (e.kind == CudaEvent::allocate && is_of_device(e)) found.insert(e.device);
  return {found.begin(), found.end()};
}

int64_t CudaEventLog::pinned_peak_bytes() const {
  std::vector<CudaEvent> events;
  for (const CudaEvent& e : events_)
    if (is_memory(e.kind)) events.push_back(e);
  std::ranges::stable_sort(events, {}, &CudaEvent::start_ns);
  std::unordered_map<uint64_t, int64_t> live;
  int64_t now = 0, most = 0;
  for (const CudaEvent& e : events) {
    if (e.kind == CudaEvent::allocate && e.space == CudaEvent::pinned) {
      now += e.bytes - std::exchange(live[e.address], e.bytes);
    } else if (const auto it = live.find(e.address); e.kind == CudaEvent::release && it != live.end()) {
      now -= it->second;
      live.erase(it);
    }
    most = std::max(most, now);
  }
  return most;
}

void CudaEventLog::write_trace(const std::string& path, uint32_t device, nlohmann::json metadata,
                               const std::map<uint64_t, std::string>& external) const {
  std::vector<CudaEvent> events = events_;
  std::ranges::stable_sort(events, {}, &CudaEvent::start_ns);
  std::unordered_map<uint32_t, std::string> modules;  // by correlation
  for (const CudaEvent& e : events)
    if (e.kind == CudaEvent::external)
      if (const auto it = external.find(e.id); it != external.end()) modules[e.correlation] = it->second;

  MemoryRecording recording;
  Ranges ranges;
  Origin origin;
  std::string current;  // module of the memory operations' step; empty: the step is not one of them
  for (const CudaEvent& e : events) {
    if (e.kind == CudaEvent::range_begin) ranges.begin(e, name(e.name));
    if (e.kind == CudaEvent::range_end) ranges.end(e);
    if (e.kind == CudaEvent::call) modules.try_emplace(e.correlation, ranges.path(e.thread));
    const auto known = modules.find(e.correlation);
    std::string module = known == modules.end() ? ranges.deepest_path() : known->second;
    if (module.empty()) module = "(no range)";
    if (is_work(e.kind) && e.device == device) {
      recording.begin_step({label(*this, e), module, phase_of(module)}, {e.start_ns, e.end_ns});
      current.clear();
    } else if (is_memory(e.kind)) {
      const Origin::Place place = origin.of(e);
      if (!place.on_device || place.device != device) continue;
      if (recording.empty() || current != module)
        recording.begin_step({label(*this, e), module, phase_of(module)}, {e.start_ns, e.start_ns});
      current = module;
      if (e.kind == CudaEvent::allocate)
        recording.allocate(e.address, e.bytes, e.start_ns);
      else
        recording.release(e.address, e.bytes);
    }
  }
  metadata.update({{"source", "CUPTI"},
                   {"device", "cuda:" + std::to_string(device)},
                   {"open_at_start", recording.open_at_start()},
                   {"open_at_end", recording.open_at_end()},
                   {"pinned_peak_bytes", pinned_peak_bytes()}});
  recording.write(path, metadata, 0);
}

std::string short_kernel_name(const std::string& name) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> plain(
      abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status), std::free);
  std::string text = plain ? plain.get() : name;
  if (text.starts_with("void ")) text.erase(0, 5);
  // "(anonymous namespace)" is part of a name.
  size_t end = 0;
  while (end < text.size() && text[end] != '<' &&
         (text[end] != '(' || text.compare(end, 10, "(anonymous") == 0))
    ++end;
  return text.substr(0, end);
}

}  // namespace tidemark
