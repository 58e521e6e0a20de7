// A Kineto trace as a program: its steps are the ops that call no other, and those in which memory changes.
#include <algorithm>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "profiler/import/kineto_events.h"
#include "profiler/import/sources.h"

namespace tidemark {
namespace {

constexpr const char* kWhat = "cannot import the trace";

/// The device that is asked for, or that most bytes are allocated on.
int16_t choose_device(const KinetoEvents& all, const std::string& wanted, const std::string& path) {
  std::vector<double> allocated(all.devices.size(), -1);
  for (const KinetoEvent& e : all.events)
    if (e.kind == KinetoEvent::memory)
      allocated[static_cast<size_t>(e.device)] += static_cast<double>(std::max<int64_t>(e.bytes, 0)) + 1;
  if (std::ranges::none_of(allocated, [](double b) { return b >= 0; }))
    throw Error(kWhat, path, "it has no memory events", "profile with profile_memory=True");
  if (wanted.empty()) return static_cast<int16_t>(std::ranges::max_element(allocated) - allocated.begin());
  std::string known;
  for (size_t d = 0; d < all.devices.size(); ++d) {
    if (all.devices[d] == wanted && allocated[d] >= 0) return static_cast<int16_t>(d);
    if (allocated[d] >= 0) known += (known.empty() ? "" : ", ") + all.devices[d];
  }
  throw Error(kWhat, "--device " + wanted, path + " has no memory events of it", "it has those of " + known);
}

class Sweep {
  static constexpr size_t kNobody = SIZE_MAX;

 public:
  Sweep(const KinetoEvents& all, int16_t device) : all_(all), device_(device) {
    find_device_spans();
    find_leaves();
    find_forward_modules();
  }

  /// Plays the events in the order of their times.
  void play(MemoryRecording& recording) {
    std::unordered_map<int32_t, std::vector<size_t>> stacks;  // by thread
    for (size_t i = 0; i < all_.events.size(); ++i) {
      const KinetoEvent& e = all_.events[i];
      if (e.kind == KinetoEvent::device_work) continue;
      std::vector<size_t>& stack = stacks[e.thread];
      unwind(stack, e.start_ns);
      if (e.kind == KinetoEvent::memory) {
        if (e.device == device_) change_memory(recording, stack, e);
        continue;
      }
      stack.push_back(i);
      if (e.kind == KinetoEvent::op && (leaf_[i] || span_of(e))) begin_step(recording, stack, e.start_ns);
    }
  }

  int64_t unattributed_bytes() const { return std::max<int64_t>(0, before_.value_or(0) - freed_unseen_); }
  int64_t resident_bytes() const { return most_reserved_ > 0 ? most_reserved_ : most_allocated_; }

 private:
  void unwind(std::vector<size_t>& stack, int64_t time) const {
    while (!stack.empty()) {
      const KinetoEvent& top = all_.events[stack.back()];
      if (top.start_ns + top.duration_ns > time) break;
      stack.pop_back();
    }
  }

  /// From when to when the device worked for each op.
  void find_device_spans() {
    for (const KinetoEvent& e : all_.events) {
      if (e.kind != KinetoEvent::device_work || e.device != device_ || e.external_id < 0) continue;
      const TimeSpan work{e.start_ns, e.start_ns + e.duration_ns};
      const auto [it, is_new] = spans_.try_emplace(e.external_id, work);
      if (!is_new) it->second.end_ns = std::max(it->second.end_ns, work.end_ns);
    }
  }

  const TimeSpan* span_of(const KinetoEvent& op) const {
    const auto it = spans_.find(op.external_id);
    return op.external_id < 0 || it == spans_.end() ? nullptr : &it->second;
  }

  void find_leaves() {
    leaf_.assign(all_.events.size(), false);
    std::unordered_map<int32_t, std::vector<size_t>> stacks;
    for (size_t i = 0; i < all_.events.size(); ++i) {
      const KinetoEvent& e = all_.events[i];
      if (e.kind != KinetoEvent::op) continue;
      std::vector<size_t>& stack = stacks[e.thread];
      unwind(stack, e.start_ns);
      if (!stack.empty()) leaf_[stack.back()] = false;
      leaf_[i] = true;
      stack.push_back(i);
    }
  }

  /// An op of the backward pass belongs to the module whose op it differentiates; both carry one number.
  void find_forward_modules() {
    std::unordered_map<int32_t, std::vector<size_t>> stacks;
    for (size_t i = 0; i < all_.events.size(); ++i) {
      const KinetoEvent& e = all_.events[i];
      if (e.kind == KinetoEvent::memory || e.kind == KinetoEvent::device_work) continue;
      std::vector<size_t>& stack = stacks[e.thread];
      unwind(stack, e.start_ns);
      stack.push_back(i);
      if (e.kind == KinetoEvent::op && e.sequence >= 0 && !e.has_forward_thread &&
          phase_of(stack) == Phase::forward)
        if (std::string module = called_module(stack); !module.empty())
          forward_modules_[e.sequence] = std::move(module);
    }
  }

  size_t innermost_op(const std::vector<size_t>& stack) const {
    const auto inner = std::find_if(stack.rbegin(), stack.rend(),
                                    [&](size_t i) { return all_.events[i].kind == KinetoEvent::op; });
    return inner == stack.rend() ? kNobody : *inner;
  }

  const std::string& name_of(size_t event) const { return all_.names[all_.events[event].name]; }

  Phase phase_of(const std::vector<size_t>& stack) const {
    Phase phase = Phase::forward;
    for (const size_t i : stack) {
      if (name_of(i).starts_with("autograd::engine::evaluate_function")) phase = Phase::backward;
      if (name_of(i).starts_with("Optimizer.")) return Phase::optimizer;
    }
    return phase;
  }

  /// "Net_0.Block_1.Linear_3", or the annotations around it.
  std::string called_module(const std::vector<size_t>& stack) const {
    constexpr size_t kPrefix = std::string_view("nn.Module: ").size();
    std::string modules, annotations;
    const auto add = [](std::string& path, const std::string& part) {
      path += (path.empty() ? "" : ".") + part;
    };
    for (const size_t i : stack) {
      if (all_.events[i].kind == KinetoEvent::module) add(modules, name_of(i).substr(kPrefix));
      // Dots within an annotation are not levels.
      if (all_.events[i].kind == KinetoEvent::annotation)
        add(annotations, name_of(i).substr(0, name_of(i).find_first_of(".#")));
    }
    return modules.empty() ? annotations : modules;
  }

  std::string module_of(const std::vector<size_t>& stack) const {
    if (std::string called = called_module(stack); !called.empty()) return called;
    for (const size_t i : stack) {
      const auto it = forward_modules_.find(all_.events[i].sequence);
      if (all_.events[i].kind == KinetoEvent::op && it != forward_modules_.end()) return it->second;
    }
    for (const size_t i : stack)
      if (all_.events[i].kind == KinetoEvent::op) return name_of(i);
    return "(between ops)";
  }

  void begin_step(MemoryRecording& recording, const std::vector<size_t>& stack, int64_t now) {
    owner_ = innermost_op(stack);
    TimeSpan time{now, now};
    if (owner_ != kNobody) {
      const KinetoEvent& op = all_.events[owner_];
      time.end_ns = op.start_ns + op.duration_ns;
      // On a device the program runs when its kernels do; what starts none takes no time there.
      if (!spans_.empty()) time = {recording.end_ns(), recording.end_ns()};
      // It counts once, in the first of the op's steps.
      if (const TimeSpan* span = span_of(op); span && timed_.insert(owner_).second) time = *span;
    }
    recording.begin_step(
        {owner_ == kNobody ? "(between ops)" : name_of(owner_), module_of(stack), phase_of(stack)}, time);
  }

  void change_memory(MemoryRecording& recording, const std::vector<size_t>& stack, const KinetoEvent& e) {
    if (recording.empty() || owner_ != innermost_op(stack)) begin_step(recording, stack, e.start_ns);
    if (!before_) before_ = e.total_allocated - e.bytes;
    most_allocated_ = std::max(most_allocated_, e.total_allocated);
    most_reserved_ = std::max(most_reserved_, e.total_reserved);
    if (e.bytes >= 0) {
      recording.allocate(e.address, e.bytes, e.start_ns);
    } else {
      const int64_t open = recording.open_at_start();
      recording.release(e.address, -e.bytes);
      if (recording.open_at_start() > open) freed_unseen_ -= e.bytes;
    }
  }

  const KinetoEvents& all_;
  int16_t device_;
  std::unordered_map<int64_t, TimeSpan> spans_;               ///< by external id
  std::vector<bool> leaf_;                                    ///< of each event: an op that calls no other
  std::unordered_map<int64_t, std::string> forward_modules_;  ///< by sequence number
  std::unordered_set<size_t> timed_;
  size_t owner_ = kNobody;         ///< op of the step that began last
  std::optional<int64_t> before_;  ///< bytes that were allocated before the first event
  int64_t freed_unseen_ = 0;       ///< of these, freed in the recording
  int64_t most_allocated_ = 0, most_reserved_ = 0;
};

}  // namespace

Imported import_kineto(const std::string& path, const std::string& device) {
  const KinetoEvents all = read_kineto(path);
  const int16_t chosen = choose_device(all, device, path);
  Imported imported;
  Sweep sweep(all, chosen);
  sweep.play(imported.recording);
  imported.summary.source = "Kineto trace";
  imported.summary.device = all.devices[static_cast<size_t>(chosen)];
  imported.summary.devices = all.devices;
  imported.summary.unattributed_bytes = sweep.unattributed_bytes();
  imported.summary.resident_bytes = sweep.resident_bytes();
  return imported;
}

}  // namespace tidemark
