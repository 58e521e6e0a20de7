// PyTorch's memory snapshots (torch.cuda.memory._dump_snapshot): what its caching allocator did, and who
// asked it to.
#include <algorithm>
#include <filesystem>
#include <map>
#include <unordered_map>

#include "base/error.h"
#include "profiler/import/pickle.h"
#include "profiler/import/sources.h"

namespace tidemark {
namespace {

constexpr const char* kWhat = "cannot import the snapshot";
constexpr const char* kRemedy = "give a file that torch.cuda.memory._dump_snapshot wrote";

/// The caching allocator's smallest block: it rounds every size up to a multiple.
constexpr int64_t kBlockBytes = 512;
constexpr int64_t kMostBytes = int64_t{1} << 48;
constexpr uint64_t kMostAddress = uint64_t{1} << 62;

/// What stays of a container that is read: what it was, and its number.
enum Kind : int64_t { kEvent = 0, kFrame = int64_t{1} << 40, kStack = int64_t{2} << 40 };
constexpr int64_t kNumber = kFrame - 1;

bool is(Kind kind, Pickle::Value v) {
  return v.type == Pickle::Type::reduced && (v.integer & ~kNumber) == kind;
}

using Value = Pickle::Value;
using Type = Pickle::Type;

/// Whose request it was, innermost frame first, as far as it is of use.
struct Stack {
  std::string op, module;
  Phase phase = Phase::forward;
};

/// "model/attention.py" -> "attention".
std::string stem(std::string_view file) {
  return std::filesystem::path(file).stem().string();
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

struct Event {
  enum Action : uint8_t { alloc, free_completed, segment_alloc, segment_free };
  Action action = alloc;
  uint32_t stack = 0;
  uint64_t address = 0;
  int64_t bytes = 0;
  int64_t time_us = -1;  ///< -1: snapshots of old versions have none
};

class Snapshot {
 public:
  explicit Snapshot(const std::string& path)
      : path_(path), pickle_(path, kWhat, [this](const Pickle& p, uint32_t into, Value item) {
          return reduce(p, into, item);
        }) {
    if (pickle_.root().type != Type::dict || pickle_.find(pickle_.root(), "segments").type != Type::list)
      throw Error(kWhat, path, "it has no list of segments", kRemedy);
  }

  Imported import(const std::string& wanted) {
    const std::map<int64_t, std::string> known = devices();
    if (known.empty())
      throw Error(kWhat, path_, "no device of it has allocated anything",
                  "call torch.cuda.memory._record_memory_history() before the run");
    int64_t device = -1;
    for (const auto& [number, name] : known)
      if (wanted.empty() ? device < 0 || allocated_bytes(number) > allocated_bytes(device) : name == wanted)
        device = number;
    if (device < 0)
      throw Error(kWhat, "--device " + wanted, path_ + " has nothing of it",
                  "it has " + known.begin()->second);
    Imported imported;
    imported.summary.source = "PyTorch memory snapshot";
    imported.summary.device = known.at(device);
    for (const auto& [number, name] : known) imported.summary.devices.push_back(name);
    play(device, imported.recording);
    imported.summary.resident_bytes = most_reserved(device);
    return imported;
  }

 private:
  Error bad(const std::string& why) const { return Error(kWhat, path_, why, kRemedy); }

  // --- while the file is read
  /// Frames become numbers, lists of them numbers of stacks, and events rows of events_.
  std::optional<int64_t> reduce(const Pickle& p, uint32_t into, Value item) {
    if (item.type == Type::list) return stack_of(p, item);
    if (item.type != Type::dict) return {};
    if (p.find(item, "filename").type == Type::text) return kFrame | frame_of(p, item);
    if (p.find(item, "action").type != Type::text) return {};
    add_event(p, into, item);
    return kEvent;
  }

  void add_event(const Pickle& p, uint32_t list, Value item) {
    const auto action = action_of(p.text(item, "action"));
    if (!action) return;  // an annotation, an error, a snapshot: of no use
    Event e;
    e.action = *action;
    e.address = static_cast<uint64_t>(p.integer(item, "addr", 0));
    e.bytes = p.integer(item, "size", 0);
    e.time_us = p.integer(item, "time_us", -1);
    if (e.bytes < 0 || e.bytes > kMostBytes || e.address > kMostAddress)
      throw bad("an event has a size or an address that cannot be");
    constexpr int64_t kMostTime = int64_t{1} << 52;
    if (e.time_us < -1 || e.time_us > kMostTime) throw bad("an event has a time that cannot be");
    const Value frames = p.find(item, "frames");
    e.stack = is(kStack, frames) ? static_cast<uint32_t>(frames.integer & kNumber) : number_of_stack({});
    events_[list].push_back(e);
  }

  static std::optional<Event::Action> action_of(std::string_view name) {
    if (name == "alloc") return Event::alloc;
    if (name == "free_completed" || name == "free") return Event::free_completed;
    if (name == "segment_alloc" || name == "segment_map") return Event::segment_alloc;
    if (name == "segment_free" || name == "segment_unmap") return Event::segment_free;
    return {};
  }

  struct Frame {
    std::string file, name;
    int64_t line = 0;
    auto operator<=>(const Frame&) const = default;
  };

  int64_t frame_of(const Pickle& p, Value item) {
    const Frame frame{std::string(p.text(item, "filename")), std::string(p.text(item, "name")),
                      p.integer(item, "line", 0)};
    const auto [it, is_new] = frame_numbers_.try_emplace(frame, frames_.size());
    if (is_new) frames_.push_back(frame);
    return static_cast<int64_t>(it->second);
  }

  /// None where it is no list of frames. Those that are alike share one number.
  std::optional<int64_t> stack_of(const Pickle& p, Value list) {
    std::vector<int64_t> frames;
    for (const Value& v : p.items(list)) {
      if (!is(kFrame, v)) return {};
      frames.push_back(v.integer & kNumber);
    }
    if (frames.empty()) return {};
    return kStack | int64_t{number_of_stack(frames)};
  }
  uint32_t number_of_stack(const std::vector<int64_t>& frames) {
    const auto [it, is_new] = stack_numbers_.try_emplace(frames, static_cast<uint32_t>(stacks_.size()));
    if (is_new) stacks_.push_back(described(frames));
    return it->second;
  }

  Stack described(const std::vector<int64_t>& numbers) const {
    Stack stack;
    std::vector<std::string> calls;  // of the user's code, innermost first
    bool backward = numbers.empty(), python = false;
    for (const int64_t n : numbers) {
      const Frame& f = frames_[static_cast<size_t>(n)];
      if (contains(f.file, "torch/optim/")) stack.phase = Phase::optimizer;
      backward |= contains(f.name, "autograd::Engine") ||
                  (contains(f.file, "torch/") && f.name == "_engine_run_backward");
      if (!f.file.ends_with(".py") && !f.file.starts_with("<ipython")) continue;
      python = true;
      if (contains(f.file, "/torch/") || contains(f.file, "/runpy.py")) continue;
      calls.push_back(stem(f.file) + ":" + f.name);
      if (calls.size() == 1)
        stack.op =
            std::filesystem::path(f.file).filename().string() + ":" + std::to_string(f.line) + " " + f.name;
    }
    if (backward && stack.phase == Phase::forward) stack.phase = Phase::backward;
    for (auto call = calls.rbegin(); call != calls.rend(); ++call)
      stack.module += (stack.module.empty() ? "" : ".") + *call;
    if (stack.op.empty()) {
      // Threads of the autograd engine have no Python frames.
      stack.op = backward && !python ? "autograd"
                 : numbers.empty()   ? "no stack"
                                     : frames_[static_cast<size_t>(numbers.front())].name;
      stack.module = stack.op;
    }
    return stack;
  }

  // --- once it is read
  std::map<int64_t, std::string> devices() const {
    std::map<int64_t, std::string> found;
    for (const Value& s : pickle_.items(pickle_.find(pickle_.root(), "segments")))
      add_device(pickle_.integer(s, "device", 0), found);
    const Value traces = pickle_.find(pickle_.root(), "device_traces");
    if (traces.type == Type::list)
      for (size_t i = 0; i < pickle_.items(traces).size(); ++i)
        if (!events_of(static_cast<int64_t>(i)).empty()) add_device(static_cast<int64_t>(i), found);
    return found;
  }
  static void add_device(int64_t number, std::map<int64_t, std::string>& to) {
    to.emplace(number, "cuda:" + std::to_string(number));
  }

  const std::vector<Event>& events_of(int64_t device) const {
    static const std::vector<Event> kNone;
    const Value traces = pickle_.find(pickle_.root(), "device_traces");
    if (traces.type != Type::list || device < 0) return kNone;
    const auto lists = pickle_.items(traces);
    if (static_cast<size_t>(device) >= lists.size()) return kNone;
    const Value list = lists[static_cast<size_t>(device)];
    const auto it = events_.find(list.index);
    return list.type != Type::list || it == events_.end() ? kNone : it->second;
  }

  double allocated_bytes(int64_t device) const {
    double bytes = 0;
    for (const Event& e : events_of(device))
      if (e.action == Event::alloc) bytes += static_cast<double>(e.bytes);
    return bytes;
  }

  std::vector<Value> segments_of(int64_t device) const {
    std::vector<Value> own;
    for (const Value& s : pickle_.items(pickle_.find(pickle_.root(), "segments")))
      if (pickle_.integer(s, "device", 0) == device) own.push_back(s);
    return own;
  }

  void play(int64_t device, MemoryRecording& recording) const {
    const std::vector<Event>& events = events_of(device);
    const auto time_of = [&](size_t i) {
      return events[i].time_us >= 0 ? events[i].time_us * 1000 : static_cast<int64_t>(i);
    };
    uint32_t current = UINT32_MAX;
    for (size_t i = 0; i < events.size(); ++i) {
      const Event& e = events[i];
      if (e.action != Event::alloc && e.action != Event::free_completed) continue;
      // A step lasts until another place in the code asks for memory.
      if (e.stack != current || recording.empty()) {
        const Stack& s = stacks_[e.stack];
        recording.begin_step({s.op, s.module, s.phase}, {time_of(i), time_of(events.size() - 1)});
        current = e.stack;
      }
      if (e.action == Event::alloc)
        recording.allocate(e.address, rounded(e.bytes), time_of(i));
      else
        recording.release(e.address, rounded(e.bytes));
    }
    if (recording.empty()) recording.begin_step({"snapshot", "snapshot", Phase::forward}, {0, 0});
    add_blocks(device, recording);
  }

  static int64_t rounded(int64_t bytes) { return (bytes + kBlockBytes - 1) / kBlockBytes * kBlockBytes; }

  /// What is in use at the end and was not seen to be allocated.
  void add_blocks(int64_t device, MemoryRecording& recording) const {
    for (const Value& segment : segments_of(device)) {
      const Value blocks = pickle_.find(segment, "blocks");
      if (blocks.type != Type::list) continue;
      int64_t address = pickle_.integer(segment, "address", 0);
      for (const Value& block : pickle_.items(blocks)) {
        const int64_t bytes = pickle_.integer(block, "size", 0);
        address = pickle_.integer(block, "address", address);
        if (bytes < 0 || bytes > kMostBytes || static_cast<uint64_t>(address) > kMostAddress)
          throw bad("a block has a size or an address that cannot be");
        if (pickle_.text(block, "state").starts_with("active") &&
            !recording.is_live(static_cast<uint64_t>(address)))
          recording.existing(static_cast<uint64_t>(address), bytes, "from before, never freed",
                             Category::parameter);
        address += bytes;
      }
    }
  }

  /// The allocator's segments are known at the end; the events tell how they came to be.
  int64_t most_reserved(int64_t device) const {
    int64_t reserved = 0;
    for (const Value& s : segments_of(device)) {
      const int64_t bytes = pickle_.integer(s, "total_size", 0);
      if (bytes < 0 || bytes > kMostBytes) throw bad("a segment has a size that cannot be");
      reserved += bytes;
    }
    int64_t most = reserved;
    const std::vector<Event>& events = events_of(device);
    for (size_t i = events.size(); i-- > 0;) {
      if (events[i].action == Event::segment_alloc) reserved -= events[i].bytes;
      if (events[i].action == Event::segment_free) reserved += events[i].bytes;
      most = std::max(most, reserved);
    }
    return most;
  }

  std::string path_;
  std::vector<Frame> frames_;
  std::map<Frame, size_t> frame_numbers_;
  std::vector<Stack> stacks_;
  std::map<std::vector<int64_t>, uint32_t> stack_numbers_;
  std::unordered_map<uint32_t, std::vector<Event>> events_;  ///< by the list that they stand in
  Pickle pickle_;                                            ///< last: reading it fills the others
};

}  // namespace

Imported import_snapshot(const std::string& path, const std::string& device) {
  return Snapshot(path).import(device);
}

}  // namespace tidemark
