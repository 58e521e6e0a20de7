#include "planner/liveness.h"

#include <algorithm>

#include "base/error.h"
#include "graph/opaque.h"

namespace tidemark {
namespace {

[[noreturn]] void fail(const Op& op, const std::string& why) {
  throw Error("cannot schedule", "op '" + op.name + "'", why,
              "put the ops in an order in which every value is made, and not overwritten, before it is read");
}

/// One version of a value: from the step that makes it to the last that reads it.
struct Instance {
  ValueId value;
  int32_t last_read;
  int32_t overwritten = kNone;  // step of the op that updates it in place
  int32_t buffer = kNone;
  bool live_out = false;
};

class Binder {
 public:
  Binder(const Graph& graph, const Sequence& sequence, const DeviceTraits& device)
      : graph_(graph), sequence_(sequence), device_(device), current_(graph.values().size(), kNone) {}

  Schedule run();

 private:
  const Op& op_at(int32_t step) const { return graph_.op(sequence_.order[static_cast<size_t>(step)]); }
  Instance& instance(int32_t i) { return instances_[static_cast<size_t>(i)]; }
  Buffer& buffer(int32_t b) { return schedule_.buffers[static_cast<size_t>(b)]; }

  int32_t new_instance(ValueId value, int32_t step);
  void find_instances(int32_t step);
  void keep_live_out();
  void bind_step(int32_t step);
  int32_t storage_for(int32_t step, int out, const std::vector<int32_t>& ins, Step& bound);
  bool may_take(int32_t step, int in, const std::vector<int32_t>& ins, int64_t bytes, const Step& bound);
  int32_t add_buffer(Category category, int64_t bytes, int32_t step);
  void occupy(int32_t b, int32_t i, int32_t step);
  void extend_prepared();

  const Graph& graph_;
  const Sequence& sequence_;
  const DeviceTraits& device_;
  std::vector<int32_t> current_;  // by value: its latest instance
  std::vector<Instance> instances_;
  std::vector<std::vector<int32_t>> reads_, makes_;  // by step: instances, kNone where absent
  Schedule schedule_;
};

int32_t Binder::new_instance(ValueId value, int32_t step) {
  instances_.push_back({.value = value, .last_read = step});
  return current_[static_cast<size_t>(value)] = static_cast<int32_t>(instances_.size()) - 1;
}

void Binder::find_instances(int32_t step) {
  const Op& op = op_at(step);
  std::vector<int32_t>& reads = reads_.emplace_back(op.inputs.size(), kNone);
  std::vector<int32_t>& makes = makes_.emplace_back(op.outputs.size(), kNone);
  for (size_t i = 0; i < op.inputs.size(); ++i) {
    const ValueId v = op.inputs[i];
    if (v == kNone) continue;
    int32_t read = current_[static_cast<size_t>(v)];
    if (read == kNone) {
      if (sequence_.whole) fail(op, "it reads '" + graph_.value(v).name + "' before any op made it");
      read = new_instance(v, 0);
    }
    if (instance(read).overwritten != kNone)
      fail(op, "it reads '" + graph_.value(v).name + "' after op '" + op_at(instance(read).overwritten).name +
                   "' overwrote it");
    instance(read).last_read = step;
    reads[i] = read;
  }
  for (const Alias& a : aliases_of(op)) {
    const auto in = static_cast<size_t>(a.in), out = static_cast<size_t>(a.out);
    if (a.required && in < reads.size() && reads[in] != kNone && out < op.outputs.size() &&
        op.outputs[out] != kNone)
      instance(reads[in]).overwritten = step;
  }
  for (size_t i = 0; i < op.outputs.size(); ++i)
    if (op.outputs[i] != kNone) makes[i] = new_instance(op.outputs[i], step);
}

void Binder::keep_live_out() {
  const auto last = static_cast<int32_t>(sequence_.order.size()) - 1;
  for (ValueId v : sequence_.live_out) {
    int32_t i = current_[static_cast<size_t>(v)];
    if (i == kNone) {
      if (sequence_.whole)
        throw Error("cannot schedule", "output '" + graph_.value(v).name + "'", "no op makes it",
                    "add its producer to the order");
      i = new_instance(v, 0);
    }
    if (instance(i).overwritten != kNone)
      fail(op_at(instance(i).overwritten),
           "it overwrites '" + graph_.value(v).name + "', which is an output");
    instance(i).live_out = true;
    instance(i).last_read = last;
  }
}

int32_t Binder::add_buffer(Category category, int64_t bytes, int32_t step) {
  Buffer b;
  b.category = category;
  b.bytes = bytes;
  b.first_step = b.last_step = step;
  schedule_.buffers.push_back(std::move(b));
  return static_cast<int32_t>(schedule_.buffers.size()) - 1;
}

void Binder::occupy(int32_t b, int32_t i, int32_t step) {
  buffer(b).values.push_back(instance(i).value);
  buffer(b).last_step = std::max({buffer(b).last_step, step, instance(i).last_read});
  instance(i).buffer = b;
}

bool Binder::may_take(int32_t step, int in, const std::vector<int32_t>& ins, int64_t bytes,
                      const Step& bound) {
  if (in >= static_cast<int>(ins.size()) || ins[static_cast<size_t>(in)] == kNone) return false;
  const Instance& i = instance(ins[static_cast<size_t>(in)]);
  const Buffer& b = buffer(i.buffer);
  if (b.persistent || i.live_out || i.last_read != step || b.bytes != bytes) return false;
  // What prepare made is read again when the body repeats.
  if (op_at(b.first_step).phase == Phase::prepare && in_body(op_at(step).phase)) return false;
  if (std::count(bound.inputs.begin(), bound.inputs.end(), i.buffer) != 1) return false;
  return std::find(bound.outputs.begin(), bound.outputs.end(), i.buffer) == bound.outputs.end();
}

int32_t Binder::storage_for(int32_t step, int out, const std::vector<int32_t>& ins, Step& bound) {
  const Op& op = op_at(step);
  const Value& value = graph_.value(op.outputs[static_cast<size_t>(out)]);
  for (const Alias& a : aliases_of(op)) {
    if (a.out != out || a.required || !may_take(step, a.in, ins, value.bytes(), bound)) continue;
    return bound.inputs[static_cast<size_t>(a.in)];
  }
  return add_buffer(value.category, value.bytes(), step);
}

void Binder::bind_step(int32_t step) {
  const Op& op = op_at(step);
  const auto& ins = reads_[static_cast<size_t>(step)];
  const auto& outs = makes_[static_cast<size_t>(step)];
  Step bound;
  bound.op = sequence_.order[static_cast<size_t>(step)];
  bound.outputs.assign(outs.size(), kNone);
  for (int32_t i : ins) bound.inputs.push_back(i == kNone ? kNone : instance(i).buffer);
  // Required aliases first: an optional one must not take their storage.
  for (const Alias& a : aliases_of(op)) {
    const auto in = static_cast<size_t>(a.in), out = static_cast<size_t>(a.out);
    if (!a.required || in >= ins.size() || ins[in] == kNone || out >= outs.size() || outs[out] == kNone)
      continue;
    const int32_t b = bound.inputs[in];
    if (buffer(b).bytes != graph_.value(op.outputs[out]).bytes())
      fail(op, "it must update '" + graph_.value(op.inputs[in]).name + "' in place, but the sizes differ");
    bound.outputs[out] = b;
  }
  for (size_t out = 0; out < outs.size(); ++out) {
    if (outs[out] == kNone) continue;
    if (bound.outputs[out] == kNone)
      bound.outputs[out] = storage_for(step, static_cast<int>(out), ins, bound);
    occupy(bound.outputs[out], outs[out], step);
  }
  if (const int64_t bytes = workspace_bytes(OpView(graph_, op), device_); bytes > 0)
    bound.workspace = add_buffer(Category::workspace, bytes, step);
  schedule_.steps.push_back(std::move(bound));
}

void Binder::extend_prepared() {
  const auto steps = static_cast<int32_t>(schedule_.steps.size());
  int32_t body_end = kNone;
  for (int32_t s = 0; s < steps; ++s)
    if (in_body(op_at(s).phase)) body_end = s;
  for (const Step& step : schedule_.steps) {
    if (!in_body(graph_.op(step.op).phase)) continue;
    for (int32_t b : step.inputs)
      if (b != kNone && op_at(buffer(b).first_step).phase == Phase::prepare)
        buffer(b).last_step = std::max(buffer(b).last_step, body_end);
  }
}

Schedule Binder::run() {
  const auto steps = static_cast<int32_t>(sequence_.order.size());
  if (sequence_.whole)
    for (size_t v = 0; v < graph_.values().size(); ++v)
      if (graph_.values()[v].producer == kNone) new_instance(static_cast<ValueId>(v), 0);
  for (int32_t s = 0; s < steps; ++s) find_instances(s);
  keep_live_out();

  // Instances that no step makes stand from the start.
  std::vector<bool> made(instances_.size(), false);
  for (const auto& makes : makes_)
    for (int32_t i : makes)
      if (i != kNone) made[static_cast<size_t>(i)] = true;
  for (size_t i = 0; i < instances_.size(); ++i) {
    if (made[i]) continue;
    const Value& value = graph_.value(instances_[i].value);
    const int32_t b = add_buffer(value.category, value.bytes(), 0);
    if (value.producer == kNone) {
      buffer(b).persistent = true;
      buffer(b).last_step = std::max(steps - 1, 0);
    }
    occupy(b, static_cast<int32_t>(i), 0);
  }
  schedule_.steps.reserve(static_cast<size_t>(steps));
  for (int32_t s = 0; s < steps; ++s) bind_step(s);
  extend_prepared();
  return std::move(schedule_);
}

}  // namespace

Schedule bind(const Graph& graph, const Sequence& sequence, const DeviceTraits& device) {
  return Binder(graph, sequence, device).run();
}

}  // namespace tidemark
