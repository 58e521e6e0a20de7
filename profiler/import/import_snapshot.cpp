// A memory snapshot alone: the memory that PyTorch's caching allocator gave out.
#include <algorithm>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "profiler/import/snapshot.h"
#include "profiler/import/sources.h"

namespace tidemark {
namespace {

using Event = Snapshot::Event;

/// Makes a recording of one device's events as they are read.
class Player {
 public:
  void play(const Snapshot& snapshot, const Event& e) {
    const int64_t time = e.time_us >= 0 ? e.time_us * 1000 : events_;
    ++events_;
    end_ = time;
    if (e.action == Event::segment_alloc) reserved_ += e.bytes;
    if (e.action == Event::segment_free) reserved_ -= e.bytes;
    most_reserved_ = std::max(most_reserved_, reserved_);
    if (e.action != Event::alloc && e.action != Event::free_completed) return;
    // A step lasts until another place in the code asks for memory.
    if (e.stack != stack_ || recording_.empty()) {
      const Snapshot::Stack& s = snapshot.stack(e.stack);
      recording_.begin_step({s.op, s.module, s.phase, s.of_library}, {time, INT64_MAX});
      stack_ = e.stack;
    }
    if (e.action == Event::alloc) {
      allocated_ += static_cast<double>(e.bytes);
      recording_.allocate(e.address, Snapshot::block_bytes(e.bytes), time);
    } else {
      recording_.release(e.address, Snapshot::block_bytes(e.bytes));
    }
  }

  double allocated_bytes() const { return allocated_; }
  /// The allocator's segments are known at the end; the events tell how they came to be.
  int64_t most_reserved(const std::vector<Snapshot::Range>& at_end) const {
    int64_t bytes = most_reserved_ - reserved_;
    for (const Snapshot::Range& segment : at_end) bytes += segment.bytes;
    return bytes;
  }
  MemoryRecording finish(const std::vector<Snapshot::Range>& in_use_at_end) {
    if (recording_.empty())
      recording_.begin_step({"snapshot", "snapshot", Phase::forward}, {0, 0});
    else
      recording_.end_step(end_);
    for (const Snapshot::Range& block : in_use_at_end) recording_.in_use_at_end(block.address, block.bytes);
    return std::move(recording_);
  }

 private:
  MemoryRecording recording_;
  uint32_t stack_ = UINT32_MAX;
  int64_t events_ = 0, end_ = 0;
  double allocated_ = 0;
  int64_t reserved_ = 0, most_reserved_ = 0;  ///< more than at the start
};

using Players = std::unordered_map<uint32_t, Player>;  ///< by the list of the events

/// The device that is wanted; empty: the one that allocates most.
int64_t device_of(const Snapshot& snapshot, Players& players, const std::string& wanted) {
  constexpr const char* kWhat = "cannot import the snapshot";
  const std::map<int64_t, std::string> known = snapshot.devices();
  if (known.empty())
    throw Error(kWhat, snapshot.path(), "no device of it has allocated anything",
                "call torch.cuda.memory._record_memory_history() before the run");
  int64_t device = -1;
  double most = -1;
  for (const auto& [number, name] : known) {
    const auto list = snapshot.list_of(number);
    const double bytes = list ? players[*list].allocated_bytes() : 0;
    if (wanted.empty() ? bytes > most : name == wanted) device = number;
    most = std::max(most, bytes);
  }
  if (device < 0)
    throw Error(kWhat, "--device " + wanted, snapshot.path() + " has nothing of it",
                "it has " + known.begin()->second);
  return device;
}

}  // namespace

Imported import_snapshot(const std::string& path, const std::string& wanted) {
  Players players;
  const Snapshot snapshot(
      path, [&](const Snapshot& from, uint32_t list, const Event& e) { players[list].play(from, e); });
  const int64_t device = device_of(snapshot, players, wanted);
  const auto list = snapshot.list_of(device);
  Player player = list ? std::move(players[*list]) : Player();
  Imported imported;
  imported.summary.source = "PyTorch memory snapshot";
  for (const auto& [number, name] : snapshot.devices()) imported.summary.devices.push_back(name);
  imported.summary.device = snapshot.devices().at(device);
  imported.summary.resident_bytes = player.most_reserved(snapshot.segments(device));
  imported.recording = player.finish(snapshot.blocks(device));
  return imported;
}

}  // namespace tidemark
