#include "profiler/cupti/cuda_events.h"

#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <set>
#include <utility>

namespace tidemark {

uint32_t CudaEventLog::intern(const char* name) {
  if (name == nullptr || *name == '\0') return 0;
  const auto [it, is_new] = numbers_.try_emplace(name, static_cast<uint32_t>(names_.size()));
  if (is_new) names_.emplace_back(name);
  return it->second;
}

std::vector<uint32_t> CudaEventLog::devices() const {
  std::set<uint32_t> found;
  for (const CudaEvent& e : events_)
    if (e.kind == CudaEvent::allocate && e.is_of_device()) found.insert(e.device);
  return {found.begin(), found.end()};
}

int64_t CudaEventLog::pinned_peak_bytes() const {
  std::vector<CudaEvent> events;
  for (const CudaEvent& e : events_)
    if (e.is_memory()) events.push_back(e);
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

CudaEventLog::Waits CudaEventLog::waits() const {
  Waits all;
  for (const CudaEvent& e : events_) {
    if (e.kind != CudaEvent::synchronize) continue;
    ++all.count;
    all.seconds += static_cast<double>(e.end_ns - e.start_ns) * 1e-9;
  }
  return all;
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
