#include "profiler/import/memory_recording.h"

#include <algorithm>

#include "profiler/trace_writer.h"

namespace tidemark {
namespace {

/// Where the phases of a recorded program are.
struct Phases {
  int32_t first_backward = 0;           ///< 0: there is none
  int32_t last_optimizer = -1;          ///< -1: there is none
  std::vector<int32_t> next_optimizer;  ///< for each step the first from it on that is of the optimizer

  explicit Phases(const std::vector<ProgramStep>& program) : next_optimizer(program.size()) {
    int32_t optimizer = INT32_MAX;
    for (auto i = static_cast<int32_t>(program.size()); i-- > 0;) {
      const Phase phase = program[static_cast<size_t>(i)].phase;
      if (phase == Phase::optimizer) {
        last_optimizer = std::max(last_optimizer, i);
        optimizer = i;
      }
      if (phase == Phase::backward) first_backward = i;
      next_optimizer[static_cast<size_t>(i)] = optimizer;
    }
  }
};

/// What memory is for, from when it lived: recorders of other programs do not say it. A script frees all that
/// it has when it ends, so what counts is what outlives the last step of the optimizer.
Category infer_category(const TraceBuffer& b, const std::vector<ProgramStep>& program, const Phases& phases) {
  const bool stays = b.last_step + 1 == static_cast<int32_t>(program.size()) ||
                     (phases.last_optimizer >= 0 && b.last_step > phases.last_optimizer);
  switch (program[static_cast<size_t>(b.first_step)].phase) {
    case Phase::optimizer: return stays ? Category::optimizer_state : Category::workspace;
    case Phase::backward:
      return b.last_step >= phases.next_optimizer[static_cast<size_t>(b.first_step)] ? Category::gradient
                                                                                     : Category::activation;
    default:
      return stays && b.first_step < phases.first_backward ? Category::parameter : Category::activation;
  }
}

}  // namespace

void MemoryRecording::begin_step(const Op& op, TimeSpan time) {
  if (!times_.empty()) {
    // Ops of several threads may overlap; a program has one step at a time.
    times_.back().end_ns = std::min(times_.back().end_ns, std::max(time.start_ns, times_.back().start_ns));
    time.start_ns = std::max(time.start_ns, times_.back().end_ns);
  }
  time.end_ns = std::max(time.end_ns, time.start_ns);
  times_.push_back(time);
  program_.push_back({op.name + " #" + std::to_string(program_.size()), op.name, op.module, op.phase, false});
  op_ = op;
  released_in_step_ = false;
}

void MemoryRecording::split(int64_t time_ns) {
  const TimeSpan now = times_.back();
  begin_step(Op(op_), {std::clamp(time_ns, now.start_ns, now.end_ns), now.end_ns});
}

void MemoryRecording::add(uint64_t address, TraceBuffer buffer, bool category_known) {
  buffers_.push_back(std::move(buffer));
  addresses_.push_back(address);
  category_known_.push_back(category_known);
}

void MemoryRecording::allocate(uint64_t address, int64_t bytes, int64_t time_ns,
                               const std::optional<Owner>& owner) {
  if (live_.contains(address)) release(address, 0);
  if (released_in_step_) split(time_ns);
  const ProgramStep& s = program_.back();
  live_.insert_or_assign(address, buffers_.size());
  add(address,
      {.name = owner ? owner->name : s.op,
       .type = {},
       .op = s.op,
       .module = owner ? owner->module : s.module,
       .category = owner ? owner->category : Category::activation,
       .bytes = bytes,
       .offset = 0,
       .first_step = static_cast<int32_t>(program_.size()) - 1,
       .last_step = INT32_MAX,
       .persistent = false},
      owner.has_value());
}

void MemoryRecording::release(uint64_t address, int64_t bytes) {
  const auto step = static_cast<int32_t>(program_.size()) - 1;
  released_in_step_ = true;
  if (const auto it = live_.find(address); it != live_.end()) {
    buffers_[it->second].last_step = step;
    live_.erase(it);
    return;
  }
  add_existing(address, bytes, "from before, freed in " + program_.back().op, Category::activation);
  buffers_.back().last_step = step;
  buffers_.back().persistent = false;
}

void MemoryRecording::in_use_at_end(uint64_t address, int64_t bytes) {
  if (!live_.contains(address)) add_existing(address, bytes, "from before, never freed", Category::parameter);
}

void MemoryRecording::add_existing(uint64_t address, int64_t bytes, const std::string& name,
                                   Category category) {
  ++open_at_start_;
  add_persistent(address, bytes, {name, "(before the recording)", category});
}

void MemoryRecording::add_runtime(int64_t bytes, const std::string& name) {
  add_persistent(0, bytes, {name, "(" + name + ")", Category::runtime});  // no allocation lies at 0
}

void MemoryRecording::add_persistent(uint64_t address, int64_t bytes, const Owner& owner) {
  add(address,
      {.name = owner.name,
       .type = {},
       .op = {},
       .module = owner.module,
       .category = owner.category,
       .bytes = bytes,
       .offset = 0,
       .first_step = 0,
       .last_step = INT32_MAX,
       .persistent = true},
      true);
}

void MemoryRecording::hold(uint64_t address, int64_t bytes, int64_t time_ns) {
  if (released_in_step_) split(time_ns);
  held_.hold(address, bytes, static_cast<int64_t>(program_.size()) - 1);
}

void MemoryRecording::give_back(uint64_t address, int64_t bytes) {
  released_in_step_ = true;
  held_.give_back(address, bytes, static_cast<int64_t>(program_.size()) - 1);
}

void MemoryRecording::add_unused() {
  const std::vector<HeldRange> held = held_.all();
  if (held.empty()) return;
  std::vector<HeldRange> used;
  for (size_t i = 0; i < buffers_.size(); ++i)
    used.push_back({addresses_[i], addresses_[i] + static_cast<uint64_t>(buffers_[i].bytes),
                    buffers_[i].first_step, buffers_[i].last_step});
  const auto last = static_cast<int64_t>(program_.size()) - 1;
  for (const HeldRange& r : unused_parts(held, used, last))
    add(r.begin,
        {.name = "allocator cache",
         .type = {},
         .op = {},
         .module = "(allocator cache)",
         .category = Category::runtime,
         .bytes = static_cast<int64_t>(r.end - r.begin),
         .offset = 0,
         .first_step = static_cast<int32_t>(r.from),
         .last_step = static_cast<int32_t>(r.to),
         .persistent = r.from == 0 && r.to == last},
        true);
}

/// Offsets are addresses without the gaps between what was ever used.
void MemoryRecording::place() {
  std::vector<std::pair<uint64_t, uint64_t>> all;
  for (size_t i = 0; i < buffers_.size(); ++i)
    all.emplace_back(addresses_[i], addresses_[i] + static_cast<uint64_t>(buffers_[i].bytes));
  std::sort(all.begin(), all.end());
  std::vector<std::pair<uint64_t, uint64_t>> used;  // start and offset of each stretch
  uint64_t end = 0, offset = 0;
  for (const auto& [from, to] : all) {
    if (used.empty() || from > end) {
      if (!used.empty()) offset += end - used.back().first;
      used.emplace_back(from, offset);
      end = to;
    }
    end = std::max(end, to);
  }
  for (size_t i = 0; i < buffers_.size(); ++i) {
    const auto after = std::upper_bound(used.begin(), used.end(), addresses_[i],
                                        [](uint64_t a, const auto& u) { return a < u.first; });
    const auto& [start, place] = *std::prev(after);
    buffers_[i].offset = static_cast<int64_t>(place + (addresses_[i] - start));
  }
}

void MemoryRecording::write(const std::string& path, const nlohmann::json& metadata, int64_t resident_bytes) {
  const Phases phases(program_);
  const auto last = static_cast<int32_t>(program_.size()) - 1;
  for (size_t i = 0; i < buffers_.size(); ++i) {
    TraceBuffer& b = buffers_[i];
    b.last_step = std::min(b.last_step, last);
    if (!category_known_[i]) b.category = infer_category(b, program_, phases);
  }
  add_unused();
  place();
  TraceWriter writer(path, metadata, buffers_, program_);
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
