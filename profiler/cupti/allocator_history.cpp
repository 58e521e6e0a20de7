#include "profiler/cupti/allocator_history.h"

#include <algorithm>

#include "base/error.h"

namespace tidemark {
namespace {

constexpr const char* kWhat = "cannot merge the snapshot";
constexpr const char* kRemedy = "its trace shows what CUPTI saw";

}  // namespace

AllocatorHistory::AllocatorHistory(const Snapshot& snapshot, int64_t device, int64_t unix_offset_ns)
    : snapshot_(snapshot), device_(device), events_(snapshot.events(device)) {
  HeldRanges held;
  for (const Snapshot::Event& e : events_) {
    if (e.time_us < 0)
      throw Error(kWhat, snapshot.path(), "its events have no times",
                  kRemedy + std::string("; PyTorch 2.1 and later write them"));
    const int64_t time = e.time_us * 1000 - unix_offset_ns;
    times_ns_.push_back(times_ns_.empty() ? time : std::max(time, times_ns_.back()));
    if (e.action == Snapshot::Event::segment_alloc) held.hold(e.address, e.bytes, times_ns_.back());
    if (e.action == Snapshot::Event::segment_free) held.give_back(e.address, e.bytes, times_ns_.back());
  }
  for (const Snapshot::Range& s : snapshot.segments(device)) held.held_at_end(s.address, s.bytes);
  segments_ = held.all();
}

std::vector<bool> AllocatorHistory::find(const std::vector<HeldRange>& allocations) const {
  std::vector<HeldRange> segments = segments_;
  std::ranges::sort(segments, {}, &HeldRange::begin);
  uint64_t longest = 0;
  for (const HeldRange& s : segments) longest = std::max(longest, s.end - s.begin);
  std::vector<bool> own;
  for (const HeldRange& a : allocations) {
    const uint64_t from = a.begin - std::min(a.begin, longest);
    auto s = std::ranges::lower_bound(segments, from, {}, &HeldRange::begin);
    const auto is_same = [&] {
      return s->end > a.begin && std::max(s->from, a.from) < std::min(s->to, a.to);
    };
    while (s != segments.end() && s->begin < a.end && !is_same()) ++s;
    own.push_back(s != segments.end() && s->begin < a.end);
  }
  const auto is_allocated = [](const Snapshot::Event& e) {
    return e.action == Snapshot::Event::segment_alloc && !e.mapped;
  };
  // Mapped memory need not be among CUPTI's allocations.
  const auto known = std::ranges::count_if(events_, is_allocated);
  if (known > 0 && std::ranges::find(own, true) == own.end())
    throw Error(kWhat, snapshot_.path(),
                "none of its " + std::to_string(known) + " segments is an allocation of this process",
                kRemedy);
  return own;
}

const Snapshot::Event* AllocatorHistory::next(int64_t time_ns) {
  if (next_ == events_.size() || times_ns_[next_] > time_ns) return nullptr;
  return &events_[next_++];
}

const Snapshot::Stack* AllocatorHistory::stack_at(int64_t time_ns) const {
  const auto after = std::ranges::upper_bound(times_ns_, time_ns);
  if (after == times_ns_.begin()) return nullptr;
  return &stack(events_[static_cast<size_t>(after - times_ns_.begin()) - 1]);
}

void AllocatorHistory::add_rest(MemoryRecording& recording) const {
  for (const Snapshot::Range& s : snapshot_.segments(device_)) recording.held_at_end(s.address, s.bytes);
  for (const Snapshot::Range& block : snapshot_.blocks(device_))
    recording.in_use_at_end(block.address, block.bytes);
}

}  // namespace tidemark
