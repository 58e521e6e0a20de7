#include "profiler/import/snapshot.h"

#include <algorithm>
#include <filesystem>

#include "base/error.h"

namespace tidemark {
namespace {

constexpr const char* kWhat = "cannot import the snapshot";
constexpr const char* kRemedy = "give a file that torch.cuda.memory._dump_snapshot wrote";

constexpr int64_t kMostBytes = int64_t{1} << 48;
constexpr uint64_t kMostAddress = uint64_t{1} << 62;

using Type = Pickle::Type;

/// What stays of a container that is read: what it was, and its number.
enum Kind : int64_t { kEvent = 0, kFrame = int64_t{1} << 40, kStack = int64_t{2} << 40 };
constexpr int64_t kNumber = kFrame - 1;

bool is(Kind kind, Pickle::Value v) {
  return v.type == Type::reduced && (v.integer & ~kNumber) == kind;
}

/// "model/attention.py" -> "attention".
std::string stem(std::string_view file) {
  return std::filesystem::path(file).stem().string();
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

std::optional<Snapshot::Event::Action> action_of(std::string_view name) {
  using Event = Snapshot::Event;
  if (name == "alloc") return Event::alloc;
  if (name == "free_completed" || name == "free") return Event::free_completed;
  if (name == "segment_alloc" || name == "segment_map") return Event::segment_alloc;
  if (name == "segment_free" || name == "segment_unmap") return Event::segment_free;
  return {};
}

}  // namespace

Snapshot::Snapshot(const std::string& path)
    : path_(path), pickle_(path, kWhat, [this](const Pickle& p, uint32_t into, Value item) {
        return reduce(p, into, item);
      }) {
  if (pickle_.root().type != Type::dict || pickle_.find(pickle_.root(), "segments").type != Type::list)
    throw Error(kWhat, path, "it has no list of segments", kRemedy);
}

// --- while the file is read

/// Frames become numbers, lists of them numbers of stacks, and events rows of events_.
std::optional<int64_t> Snapshot::reduce(const Pickle& p, uint32_t into, Value item) {
  if (item.type == Type::list) return stack_of(p, item);
  if (item.type != Type::dict) return {};
  if (p.find(item, "filename").type == Type::text) return kFrame | frame_of(p, item);
  if (p.find(item, "action").type != Type::text) return {};
  add_event(p, into, item);
  return kEvent;
}

void Snapshot::add_event(const Pickle& p, uint32_t list, Value item) {
  const auto action = action_of(p.text(item, "action"));
  if (!action) return;  // an annotation, an error, a snapshot: of no use
  Event e;
  e.action = *action;
  e.mapped = contains(p.text(item, "action"), "map");
  e.address = static_cast<uint64_t>(p.integer(item, "addr", 0));
  e.bytes = p.integer(item, "size", 0);
  e.time_us = p.integer(item, "time_us", -1);
  if (e.bytes < 0 || e.bytes > kMostBytes || e.address > kMostAddress)
    throw Error(kWhat, path_, "an event has a size or an address that cannot be", kRemedy);
  constexpr int64_t kMostTime = int64_t{1} << 52;
  if (e.time_us < -1 || e.time_us > kMostTime)
    throw Error(kWhat, path_, "an event has a time that cannot be", kRemedy);
  const Value frames = p.find(item, "frames");
  e.stack = is(kStack, frames) ? static_cast<uint32_t>(frames.integer & kNumber) : number_of_stack({});
  events_[list].push_back(e);
}

int64_t Snapshot::frame_of(const Pickle& p, Value item) {
  const Frame frame{std::string(p.text(item, "filename")), std::string(p.text(item, "name")),
                    p.integer(item, "line", 0)};
  const auto [it, is_new] = frame_numbers_.try_emplace(frame, frames_.size());
  if (is_new) frames_.push_back(frame);
  return static_cast<int64_t>(it->second);
}

/// None where it is no list of frames. Those that are alike share one number.
std::optional<int64_t> Snapshot::stack_of(const Pickle& p, Value list) {
  std::vector<int64_t> frames;
  for (const Value& v : p.items(list)) {
    if (!is(kFrame, v)) return {};
    frames.push_back(v.integer & kNumber);
  }
  if (frames.empty()) return {};
  return kStack | int64_t{number_of_stack(frames)};
}

uint32_t Snapshot::number_of_stack(const std::vector<int64_t>& frames) {
  const auto [it, is_new] = stack_numbers_.try_emplace(frames, static_cast<uint32_t>(stacks_.size()));
  if (is_new) stacks_.push_back(described(frames));
  return it->second;
}

Snapshot::Stack Snapshot::described(const std::vector<int64_t>& numbers) const {
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

std::map<int64_t, std::string> Snapshot::devices() const {
  std::map<int64_t, std::string> found;
  const auto add = [&](int64_t number) { found.emplace(number, "cuda:" + std::to_string(number)); };
  for (const Value& s : pickle_.items(pickle_.find(pickle_.root(), "segments")))
    add(pickle_.integer(s, "device", 0));
  const Value traces = pickle_.find(pickle_.root(), "device_traces");
  if (traces.type == Type::list)
    for (size_t i = 0; i < pickle_.items(traces).size(); ++i)
      if (!events(static_cast<int64_t>(i)).empty()) add(static_cast<int64_t>(i));
  return found;
}

const std::vector<Snapshot::Event>& Snapshot::events(int64_t device) const {
  static const std::vector<Event> kNone;
  const Value traces = pickle_.find(pickle_.root(), "device_traces");
  if (traces.type != Type::list || device < 0) return kNone;
  const auto lists = pickle_.items(traces);
  if (static_cast<size_t>(device) >= lists.size()) return kNone;
  const Value list = lists[static_cast<size_t>(device)];
  const auto it = events_.find(list.index);
  return list.type != Type::list || it == events_.end() ? kNone : it->second;
}

std::vector<Snapshot::Value> Snapshot::segment_values(int64_t device) const {
  std::vector<Value> own;
  for (const Value& s : pickle_.items(pickle_.find(pickle_.root(), "segments")))
    if (pickle_.integer(s, "device", 0) == device) own.push_back(s);
  return own;
}

/// `address`: where it is if it does not say so.
Snapshot::Range Snapshot::range(Value of, const char* what, const char* size, int64_t address) const {
  const Range r{static_cast<uint64_t>(pickle_.integer(of, "address", address)), pickle_.integer(of, size, 0)};
  if (r.bytes < 0 || r.bytes > kMostBytes || r.address > kMostAddress)
    throw Error(kWhat, path_, std::string(what) + " has a size or an address that cannot be", kRemedy);
  return r;
}

std::vector<Snapshot::Range> Snapshot::segments(int64_t device) const {
  std::vector<Range> all;
  for (const Value& s : segment_values(device)) all.push_back(range(s, "a segment", "total_size", 0));
  return all;
}

std::vector<Snapshot::Range> Snapshot::blocks(int64_t device) const {
  std::vector<Range> in_use;
  for (const Value& segment : segment_values(device)) {
    const Value blocks = pickle_.find(segment, "blocks");
    if (blocks.type != Type::list) continue;
    int64_t next = pickle_.integer(segment, "address", 0);
    for (const Value& block : pickle_.items(blocks)) {
      const Range r = range(block, "a block", "size", next);
      if (pickle_.text(block, "state").starts_with("active")) in_use.push_back(r);
      next = static_cast<int64_t>(r.address) + r.bytes;
    }
  }
  return in_use;
}

}  // namespace tidemark
