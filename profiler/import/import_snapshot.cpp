// A memory snapshot alone: the memory that PyTorch's caching allocator gave out.
#include <algorithm>

#include "base/error.h"
#include "profiler/import/snapshot.h"
#include "profiler/import/sources.h"

namespace tidemark {
namespace {

using Event = Snapshot::Event;

double allocated_bytes(const std::vector<Event>& events) {
  double bytes = 0;
  for (const Event& e : events)
    if (e.action == Event::alloc) bytes += static_cast<double>(e.bytes);
  return bytes;
}

/// The device that is wanted; empty: the one that allocates most.
int64_t device_of(const Snapshot& snapshot, const std::string& path, const std::string& wanted) {
  constexpr const char* kWhat = "cannot import the snapshot";
  const std::map<int64_t, std::string> known = snapshot.devices();
  if (known.empty())
    throw Error(kWhat, path, "no device of it has allocated anything",
                "call torch.cuda.memory._record_memory_history() before the run");
  int64_t device = -1;
  double most = -1;
  for (const auto& [number, name] : known) {
    const double bytes = allocated_bytes(snapshot.events(number));
    if (wanted.empty() ? bytes > most : name == wanted) device = number;
    most = std::max(most, bytes);
  }
  if (device < 0)
    throw Error(kWhat, "--device " + wanted, path + " has nothing of it", "it has " + known.begin()->second);
  return device;
}

void play(const Snapshot& snapshot, int64_t device, MemoryRecording& recording) {
  const std::vector<Event>& events = snapshot.events(device);
  const auto time_of = [&](size_t i) {
    return events[i].time_us >= 0 ? events[i].time_us * 1000 : static_cast<int64_t>(i);
  };
  uint32_t current = UINT32_MAX;
  for (size_t i = 0; i < events.size(); ++i) {
    const Event& e = events[i];
    if (e.action != Event::alloc && e.action != Event::free_completed) continue;
    // A step lasts until another place in the code asks for memory.
    if (e.stack != current || recording.empty()) {
      const Snapshot::Stack& s = snapshot.stack(e.stack);
      recording.begin_step({s.op, s.module, s.phase}, {time_of(i), time_of(events.size() - 1)});
      current = e.stack;
    }
    if (e.action == Event::alloc)
      recording.allocate(e.address, Snapshot::block_bytes(e.bytes), time_of(i));
    else
      recording.release(e.address, Snapshot::block_bytes(e.bytes));
  }
  if (recording.empty()) recording.begin_step({"snapshot", "snapshot", Phase::forward}, {0, 0});
  for (const Snapshot::Range& block : snapshot.blocks(device))
    recording.in_use_at_end(block.address, block.bytes);
}

/// The allocator's segments are known at the end; the events tell how they came to be.
int64_t most_reserved(const Snapshot& snapshot, int64_t device) {
  int64_t reserved = 0;
  for (const Snapshot::Range& segment : snapshot.segments(device)) reserved += segment.bytes;
  int64_t most = reserved;
  const std::vector<Event>& events = snapshot.events(device);
  for (size_t i = events.size(); i-- > 0;) {
    if (events[i].action == Event::segment_alloc) reserved -= events[i].bytes;
    if (events[i].action == Event::segment_free) reserved += events[i].bytes;
    most = std::max(most, reserved);
  }
  return most;
}

}  // namespace

Imported import_snapshot(const std::string& path, const std::string& wanted) {
  const Snapshot snapshot(path);
  const int64_t device = device_of(snapshot, path, wanted);
  Imported imported;
  imported.summary.source = "PyTorch memory snapshot";
  for (const auto& [number, name] : snapshot.devices()) imported.summary.devices.push_back(name);
  imported.summary.device = snapshot.devices().at(device);
  play(snapshot, device, imported.recording);
  imported.summary.resident_bytes = most_reserved(snapshot, device);
  return imported;
}

}  // namespace tidemark
