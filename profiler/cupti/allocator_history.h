// What PyTorch's caching allocator did on a device, on the clock of CUPTI's events.
#pragma once

#include <map>
#include <vector>

#include "profiler/import/held_ranges.h"
#include "profiler/import/memory_recording.h"
#include "profiler/import/snapshot.h"

namespace tidemark {

class AllocatorHistory {
 public:
  /// `unix_offset_ns`: what that clock lacks to the Unix clock. Throws Error where events have no times.
  AllocatorHistory(const Snapshot& snapshot, int64_t device, int64_t unix_offset_ns);

  /// Which of a device's allocations, as CUPTI saw them, are segments of this allocator: two lives of the
  /// same addresses at the same time are one. Throws Error where none is though the allocator has some.
  std::vector<bool> find(const std::vector<HeldRange>& allocations) const;

  /// The next event up to a time; null: there is none.
  const Snapshot::Event* next(int64_t time_ns);
  /// Events are in order; the clock that timed them need not be, to the microsecond.
  int64_t time_ns(const Snapshot::Event& e) const {
    return times_ns_[static_cast<size_t>(&e - events_.data())];
  }
  const Snapshot::Stack& stack(const Snapshot::Event& e) const { return snapshot_.stack(e.stack); }
  /// Of the last event before a time; null: there is none.
  const Snapshot::Stack* stack_at(int64_t time_ns) const;

  /// What the allocator held, in ns.
  const std::vector<HeldRange>& segments() const { return segments_; }
  /// Adds what no event tells: what it held and gave out from the start to the end.
  void add_rest(MemoryRecording& recording) const;

 private:
  const Snapshot& snapshot_;
  int64_t device_;
  const std::vector<Snapshot::Event>& events_;
  std::vector<int64_t> times_ns_;  ///< of events_
  std::vector<HeldRange> segments_;
  size_t next_ = 0;
};

}  // namespace tidemark
