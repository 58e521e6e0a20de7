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

/// What stays of a container that is read: what it was, and its number. Of events nothing does.
enum Kind : int64_t { kFrame = int64_t{1} << 40, kStack = int64_t{2} << 40 };
constexpr int64_t kNumber = kFrame - 1;

bool is(Kind kind, Pickle::Value v) {
  return v.type == Type::reduced && v.integer >= 0 && (v.integer & ~kNumber) == kind;
}

int64_t integer(Pickle::Value v, int64_t absent) {
  return v.type == Type::integer || v.type == Type::boolean ? v.integer : absent;
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

Snapshot::Snapshot(const std::string& path, Listener listener)
    : path_(path),
      listener_(std::move(listener)),
      pickle_(path, kWhat,
              [this](const Pickle& p, uint32_t into, Value item) { return reduce(p, into, item); }) {
  if (pickle_.root().type != Type::dict || pickle_.find(pickle_.root(), "segments").type != Type::list)
    throw Error(kWhat, path, "it has no list of segments", kRemedy);
}

// --- while the file is read

/// Frames become numbers, lists of them numbers of stacks, and events rows of events_.
std::optional<int64_t> Snapshot::reduce(const Pickle& p, uint32_t into, Value item) {
  if (item.type == Type::list) return stack_of(p, item);
  if (item.type != Type::dict) return {};
  const Fields fields = fields_of(p, item);
  if (fields[kFile].type == Type::text) {
    const Value called = fields[kName];
    return kFrame |
           int64_t{frames_.of({p.text(fields[kFile]), called.type == Type::text ? p.text(called) : "",
                               integer(fields[kLine], 0)})};
  }
  if (fields[kAction].type != Type::text) return {};
  add_event(p, into, fields);
  return Pickle::kDropped;
}

/// The last of several under one key counts.
Snapshot::Fields Snapshot::fields_of(const Pickle& p, Value dict) {
  static constexpr std::array<std::string_view, kFields> kNames = {"filename", "name", "line",    "action",
                                                                   "addr",     "size", "time_us", "frames"};
  Fields fields;
  const std::span<const Value> items = p.items(dict);
  for (size_t i = 0; i + 1 < items.size(); i += 2) {
    const Value key = items[i];
    if (key.type != Type::text) continue;
    for (size_t text = fields_.size(); text <= key.index; ++text) {
      const Value known{.type = Type::text, .index = static_cast<uint32_t>(text), .integer = 0};
      fields_.push_back(static_cast<Field>(std::ranges::find(kNames, p.text(known)) - kNames.begin()));
    }
    if (fields_[key.index] != kFields) fields[fields_[key.index]] = items[i + 1];
  }
  return fields;
}

void Snapshot::add_event(const Pickle& p, uint32_t list, const Fields& fields) {
  const auto done = action_of(p.text(fields[kAction]));
  if (!done) return;  // an annotation, an error, a snapshot: of no use
  Event e;
  e.action = *done;
  e.mapped = contains(p.text(fields[kAction]), "map");
  e.address = static_cast<uint64_t>(integer(fields[kAddress], 0));
  e.bytes = integer(fields[kSize], 0);
  e.time_us = integer(fields[kTime], -1);
  if (e.bytes < 0 || e.bytes > kMostBytes || e.address > kMostAddress)
    throw Error(kWhat, path_, "an event has a size or an address that cannot be", kRemedy);
  constexpr int64_t kMostTime = int64_t{1} << 52;
  if (e.time_us < -1 || e.time_us > kMostTime)
    throw Error(kWhat, path_, "an event has a time that cannot be", kRemedy);
  const Value called = fields[kFrames];
  e.stack = is(kStack, called) ? static_cast<uint32_t>(called.integer & kNumber) : number_of_stack({});
  std::vector<Event>& kept = events_[list];
  if (listener_)
    listener_(*this, list, e);
  else
    kept.push_back(e);
}

/// None where it is no list of frames. Those that are alike share one number.
std::optional<int64_t> Snapshot::stack_of(const Pickle& p, Value list) {
  frames_of_stack_.clear();
  for (const Value& v : p.items(list)) {
    if (!is(kFrame, v)) return {};
    frames_of_stack_.push_back(static_cast<uint32_t>(v.integer & kNumber));
  }
  if (frames_of_stack_.empty()) return {};
  return kStack | int64_t{number_of_stack(frames_of_stack_)};
}

uint32_t Snapshot::number_of_stack(const Frames& frames) {
  const uint32_t number = stack_numbers_.of(frames);
  if (number == stacks_.size()) stacks_.push_back(described(frames));
  return number;
}

size_t Snapshot::Hash::operator()(const Frame& frame) const {
  const std::hash<Name> hash;
  return (hash(frame.file) * 31 + hash(frame.name)) * 31 + static_cast<size_t>(frame.line);
}

size_t Snapshot::Hash::operator()(const Frames& frames) const {
  uint64_t hash = frames.size();
  for (const uint32_t f : frames) hash = (hash ^ f) * 0x9e3779b97f4a7c15u ^ hash >> 32;
  return hash;
}

Snapshot::Stack Snapshot::described(const Frames& numbers) const {
  Stack stack;
  std::string op, module;
  std::vector<std::string> calls;  // of the user's code, innermost first
  bool backward = numbers.empty(), python = false;
  for (const uint32_t n : numbers) {
    const Frame& f = frames_[n];
    const std::string file = f.file, function = f.name;
    if (contains(file, "torch/optim/")) stack.phase = Phase::optimizer;
    backward |= contains(function, "autograd::Engine") ||
                (contains(file, "torch/") && function == "_engine_run_backward");
    if (!file.ends_with(".py") && !file.starts_with("<ipython")) continue;
    // A layer's parameters are made before it runs: what its first run makes and keeps are workspaces of
    // cuBLAS and cuDNN.
    if (!python)
      stack.of_library =
          contains(file, "torch/nn/functional.py") || (contains(file, "torch/nn/") && function == "forward");
    python = true;
    if (contains(file, "/torch/") || contains(file, "/runpy.py")) continue;
    calls.push_back(stem(file) + ":" + function);
    if (calls.size() == 1)
      op = std::filesystem::path(file).filename().string() + ":" + std::to_string(f.line) + " " + function;
  }
  if (backward && stack.phase == Phase::forward) stack.phase = Phase::backward;
  for (auto call = calls.rbegin(); call != calls.rend(); ++call)
    module += (module.empty() ? "" : ".") + *call;
  if (op.empty()) {
    // Threads of the autograd engine have no Python frames.
    op = backward && !python ? "autograd"
         : numbers.empty()   ? "no stack"
                             : frames_[numbers.front()].name.str();
    module = op;
  }
  stack.op = op;
  stack.module = module;
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
      if (list_of(static_cast<int64_t>(i))) add(static_cast<int64_t>(i));
  return found;
}

std::optional<uint32_t> Snapshot::list_of(int64_t device) const {
  const Value traces = pickle_.find(pickle_.root(), "device_traces");
  if (traces.type != Type::list || device < 0) return {};
  const auto lists = pickle_.items(traces);
  if (static_cast<size_t>(device) >= lists.size()) return {};
  const Value list = lists[static_cast<size_t>(device)];
  if (list.type != Type::list || !events_.contains(list.index)) return {};
  return list.index;
}

const std::vector<Snapshot::Event>& Snapshot::events(int64_t device) const {
  static const std::vector<Event> kNone;
  const auto list = list_of(device);
  return list ? events_.at(*list) : kNone;
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
