#include "profiler/import/memory_recording.h"

#include <algorithm>
#include <map>
#include <utility>

#include "profiler/trace_writer.h"

namespace tidemark {

/// Where the phases of a recorded program are.
struct MemoryRecording::Phases {
  int32_t first_backward = 0;           ///< 0: there is none
  int32_t last_optimizer = -1;          ///< -1: there is none
  std::vector<int32_t> next_optimizer;  ///< for each step the first from it on that is of the optimizer

  explicit Phases(const MemoryRecording& recording) : next_optimizer(recording.steps_.size()) {
    int32_t optimizer = INT32_MAX;
    for (int32_t i = recording.last_step(); i >= 0; --i) {
      const Phase phase = recording.op(i).phase;
      if (phase == Phase::optimizer) {
        last_optimizer = std::max(last_optimizer, i);
        optimizer = i;
      }
      if (phase == Phase::backward) first_backward = i;
      next_optimizer[static_cast<size_t>(i)] = optimizer;
    }
  }
};

namespace {

size_t hash_of(const Name& name, const Name& module, uint8_t kind) {
  const std::hash<Name> hash;
  return (hash(name) * 31 + hash(module)) * 31 + kind;
}

}  // namespace

size_t MemoryRecording::Hash::operator()(const Op& op) const {
  return hash_of(op.name, op.module,
                 static_cast<uint8_t>(static_cast<int>(op.phase) << 1 | (op.of_library ? 1 : 0)));
}
size_t MemoryRecording::Hash::operator()(const Owner& owner) const {
  return hash_of(owner.name, owner.module, static_cast<uint8_t>(owner.category));
}

/// What memory is for, from when it lived: recorders of other programs do not say it. A script frees all that
/// it has when it ends, so what counts is what outlives the last step of the optimizer.
Category MemoryRecording::infer_category(const Buffer& b, const Phases& phases) const {
  const bool stays =
      b.last_step == last_step() || (phases.last_optimizer >= 0 && b.last_step > phases.last_optimizer);
  const Op& maker = op(b.first_step);
  switch (maker.phase) {
    case Phase::optimizer: return stays ? Category::optimizer_state : Category::workspace;
    case Phase::backward:
      return b.last_step >= phases.next_optimizer[static_cast<size_t>(b.first_step)] ? Category::gradient
                                                                                     : Category::activation;
    default:
      if (!stays || b.first_step >= phases.first_backward) return Category::activation;
      return maker.of_library ? Category::workspace : Category::parameter;
  }
}

void MemoryRecording::begin_step(const Op& op, TimeSpan time) {
  if (!times_.empty()) {
    // Ops of several threads may overlap; a program has one step at a time.
    times_.back().end_ns = std::min(times_.back().end_ns, std::max(time.start_ns, times_.back().start_ns));
    time.start_ns = std::max(time.start_ns, times_.back().end_ns);
  }
  time.end_ns = std::max(time.end_ns, time.start_ns);
  times_.push_back(time);
  steps_.push_back(ops_.of(op));
  released_in_step_ = false;
}

void MemoryRecording::split(int64_t time_ns) {
  const TimeSpan now = times_.back();
  begin_step(op(last_step()), {std::clamp(time_ns, now.start_ns, now.end_ns), now.end_ns});
}

void MemoryRecording::allocate(uint64_t address, int64_t bytes, int64_t time_ns,
                               const std::optional<Owner>& owner) {
  if (live_.contains(address)) release(address, 0);
  if (released_in_step_) split(time_ns);
  live_.insert_or_assign(address, buffers_.size());
  buffers_.push_back({.place = address,
                      .bytes = bytes,
                      .first_step = last_step(),
                      .last_step = INT32_MAX,
                      .owner = owner ? owners_.of(*owner) : kStep,
                      .has_maker = true});
}

void MemoryRecording::release(uint64_t address, int64_t bytes) {
  released_in_step_ = true;
  if (const auto it = live_.find(address); it != live_.end()) {
    buffers_[it->second].last_step = last_step();
    live_.erase(it);
    return;
  }
  const Name& freed_in = op(last_step()).name;
  add_existing(address, bytes, Name::numbered("from before, freed in " + freed_in.str(), last_step()),
               Category::activation);
  buffers_.back().last_step = last_step();
  buffers_.back().persistent = false;
}

void MemoryRecording::in_use_at_end(uint64_t address, int64_t bytes) {
  if (!live_.contains(address)) add_existing(address, bytes, "from before, never freed", Category::parameter);
}

void MemoryRecording::add_existing(uint64_t address, int64_t bytes, const Name& name, Category category) {
  ++open_at_start_;
  add_persistent(address, bytes, {name, "(before the recording)", category});
}

void MemoryRecording::add_runtime(int64_t bytes, const std::string& name) {
  add_persistent(0, bytes, {name, "(" + name + ")", Category::runtime});  // no allocation lies at 0
}

void MemoryRecording::add_persistent(uint64_t address, int64_t bytes, const Owner& owner) {
  buffers_.push_back({.place = address,
                      .bytes = bytes,
                      .last_step = INT32_MAX,
                      .owner = owners_.of(owner),
                      .persistent = true});
}

void MemoryRecording::hold(uint64_t address, int64_t bytes, int64_t time_ns) {
  if (released_in_step_) split(time_ns);
  held_.hold(address, bytes, last_step());
}

void MemoryRecording::give_back(uint64_t address, int64_t bytes) {
  released_in_step_ = true;
  held_.give_back(address, bytes, last_step());
}

void MemoryRecording::add_unused() {
  const std::vector<HeldRange> held = held_.all();
  if (held.empty()) return;
  std::vector<HeldRange> used;
  for (const Buffer& b : buffers_)
    used.push_back({b.place, b.place + static_cast<uint64_t>(b.bytes), b.first_step, b.last_step});
  const uint32_t owner = owners_.of({"allocator cache", "(allocator cache)", Category::runtime});
  for (const HeldRange& r : unused_parts(held, used, last_step()))
    buffers_.push_back({.place = r.begin,
                        .bytes = static_cast<int64_t>(r.end - r.begin),
                        .first_step = static_cast<int32_t>(r.from),
                        .last_step = static_cast<int32_t>(r.to),
                        .owner = owner,
                        .persistent = r.from == 0 && r.to == last_step()});
}

/// Offsets are addresses without the gaps between what was ever used.
void MemoryRecording::place() {
  std::map<uint64_t, uint64_t> used;  // where stretches begin and end; they do not touch
  for (const Buffer& b : buffers_) {
    uint64_t from = b.place, to = b.place + static_cast<uint64_t>(b.bytes);
    auto next = used.upper_bound(from);
    if (next != used.begin() && std::prev(next)->second >= from) {
      --next;
      if (next->second >= to) continue;
      from = next->first;
    }
    for (; next != used.end() && next->first <= to; next = used.erase(next)) to = std::max(to, next->second);
    used.emplace_hint(next, from, to);
  }
  std::map<uint64_t, uint64_t>& offsets = used;  // of where they begin
  uint64_t offset = 0;
  for (auto& [from, to] : used) offset += std::exchange(to, offset) - from;
  for (Buffer& b : buffers_) {
    const auto& [from, place] = *std::prev(offsets.upper_bound(b.place));
    b.place = place + (b.place - from);
  }
}

ProgramStep MemoryRecording::program_step(int32_t step) const {
  return {step_name(step), op(step).name, op(step).module, op(step).phase, false};
}

TraceBuffer MemoryRecording::trace_buffer(const Buffer& b, const Phases& phases) const {
  const Name maker = b.has_maker ? step_name(b.first_step) : Name();
  const Owner owner =
      b.owner != kStep ? owners_[b.owner] : Owner{maker, op(b.first_step).module, infer_category(b, phases)};
  return {.name = owner.name,
          .type = {},
          .op = maker,
          .module = owner.module,
          .category = owner.category,
          .bytes = b.bytes,
          .offset = static_cast<int64_t>(b.place),
          .first_step = b.first_step,
          .last_step = b.last_step,
          .persistent = b.persistent};
}

void MemoryRecording::write(const std::string& path, const nlohmann::json& metadata, int64_t resident_bytes) {
  const Phases phases(*this);
  for (Buffer& b : buffers_) b.last_step = std::min(b.last_step, last_step());
  add_unused();
  place();
  TraceWriter writer(path, metadata,
                     {buffers_.size(), [&](size_t i) { return trace_buffer(buffers_[i], phases); }},
                     {steps_.size(), [&](size_t i) { return program_step(static_cast<int32_t>(i)); }});
  writer.run(0, 0, 0, times_);
  writer.step({.number = 0,
               .start_ns = times_.front().start_ns,
               .end_ns = times_.back().end_ns,
               .loss = 0,
               .grad_norm = 0,
               .arena_resident_bytes = resident_bytes,
               .process_resident_bytes = 0});
}

}  // namespace tidemark
