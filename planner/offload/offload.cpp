#include "planner/offload/offload.h"

#include <algorithm>
#include <set>
#include <string>

#include "base/error.h"
#include "planner/plan.h"

namespace tidemark {
namespace {

class Splitter {
 public:
  Splitter(const Graph& graph, Schedule& schedule)
      : graph_(graph),
        schedule_(schedule),
        ranges_(step_ranges(graph, schedule)),
        uses_(buffer_uses(schedule)),
        buffers_of_(graph.values().size()) {
    for (size_t b = 0; b < schedule.buffers.size(); ++b)
      for (ValueId v : schedule.buffers[b].values) add_location(v, static_cast<int32_t>(b));
  }

  void apply(const Offload& offload) {
    offload_ = &offload;
    check_windows();
    offload.lives_on_host() ? move_home() : send_away();
  }

 private:
  [[noreturn]] void fail(const std::string& why) const {
    throw Error("cannot offload", "'" + graph_.value(offload_->value).name + "'", why, "plan again");
  }
  int32_t steps() const { return static_cast<int32_t>(schedule_.steps.size()); }
  Buffer& buffer(int32_t b) { return schedule_.buffers[static_cast<size_t>(b)]; }
  std::vector<int32_t>& uses(int32_t b) { return uses_[static_cast<size_t>(b)]; }
  const Step& step(int32_t s) const { return schedule_.steps[static_cast<size_t>(s)]; }
  void add_location(ValueId v, int32_t b) {
    std::vector<int32_t>& known = buffers_of_[static_cast<size_t>(v)];
    if (known.empty() || known.back() != b) known.push_back(b);
  }

  void check_windows() const {
    const CopyWindow &first = offload_->lives_on_host() ? offload_->from_host : offload_->to_host,
                     &second = offload_->lives_on_host() ? offload_->to_host : offload_->from_host;
    if (first.begin < 0 || first.begin > first.end || first.end > second.begin || second.begin > second.end ||
        second.end > steps())
      fail("its copies do not follow one another within the step");
  }

  void check_range(const StepRange& range) const {
    const auto within = [&](const CopyWindow& w) { return w.begin >= range.begin && w.end <= range.end; };
    if (!within(offload_->to_host) || !within(offload_->from_host))
      fail("a copy crosses from one phase of the step to another");
  }

  /// What stands in the buffer at the point: the value last written, or copied, into it.
  ValueId occupant(int32_t b, int32_t point) {
    const std::vector<int32_t>& used = uses(b);
    for (auto s = std::lower_bound(used.begin(), used.end(), point); s-- != used.begin();)
      if (const ValueId v = written(graph_, step(*s), b); v != kNone) return v;
    return buffer(b).values.front();
  }

  /// The buffer in the arena in which the value stands before its copy to the host.
  int32_t place_at(int32_t point) {
    const std::vector<int32_t>& known = buffers_of_[static_cast<size_t>(offload_->value)];
    for (size_t i = known.size(); i-- > 0;) {
      const Buffer& b = buffer(known[i]);
      if (!b.persistent && b.first_step < point && point <= b.last_step &&
          occupant(known[i], point) == offload_->value)
        return known[i];
    }
    fail("it is not in the arena at step " + std::to_string(point));
  }

  void send_away() {
    const CopyWindow &out = offload_->to_host, &back = offload_->from_host;
    const int32_t b = place_at(out.begin);
    const StepRange range = range_of(ranges_, out.begin - 1);
    check_range(range);
    if (buffer(b).first_step < range.begin)
      fail("an earlier phase of the step made it, which may not run again");
    if (sent_.contains(b)) fail("its copies are not in the order of time");
    const std::vector<int32_t> used = uses(b);
    const auto next = std::lower_bound(used.begin(), used.end(), back.end);
    if (next == used.end() || used.front() >= out.begin) fail("no step uses it before, or after, it is away");
    const int32_t last = *std::prev(next);
    if (last >= back.begin) fail("step " + std::to_string(last) + " uses it while it is away");
    for (auto s = std::lower_bound(used.begin(), next, out.begin); s != next; ++s)
      if (written(graph_, step(*s), b) != kNone)
        fail("step " + std::to_string(*s) + " writes it after its copy began");

    const auto returned = static_cast<int32_t>(schedule_.buffers.size());
    Buffer later = buffer(b);
    later.first_step = back.begin;
    size_t written = 0;  // outputs bound to the buffer after its return
    for (auto s = next; s != used.end(); ++s) {
      written += static_cast<size_t>(std::count(step(*s).outputs.begin(), step(*s).outputs.end(), b));
      rename(schedule_.steps[static_cast<size_t>(*s)], b, returned);
    }
    std::vector<ValueId>& values = buffer(b).values;
    later.values.assign(values.end() - static_cast<std::ptrdiff_t>(written) - 1, values.end());
    values.resize(values.size() - written);
    buffer(b).last_step = std::max(last, out.end - 1);
    uses(b).assign(used.begin(), next);
    uses_.emplace_back(next, used.end());
    for (ValueId v : later.values) add_location(v, returned);
    schedule_.buffers.push_back(std::move(later));
    const int32_t host = add_host_buffer(buffer(b).bytes, {out.begin, back.end}, false);
    sent_.insert(b);
    schedule_.transfers.push_back({true, b, host, out.begin, out.end});
    schedule_.transfers.push_back({false, returned, host, back.begin, back.end});
  }

  void move_home() {
    const CopyWindow &in = offload_->from_host, &out = offload_->to_host;
    const std::vector<int32_t>& known = buffers_of_[static_cast<size_t>(offload_->value)];
    if (graph_.value(offload_->value).producer != kNone || known.size() != 1 || !buffer(known[0]).persistent)
      fail("only what outlives the step can live on the host, once");
    const int32_t b = known[0];
    if (uses(b).empty()) fail("no step uses it");
    const int32_t first = uses(b).front(), last = uses(b).back();
    if (first < in.end || last >= out.begin)
      fail("step " + std::to_string(first < in.end ? first : last) + " uses it while it is away");
    check_range(range_of(ranges_, first));
    buffer(b).persistent = false;
    buffer(b).first_step = in.begin;
    buffer(b).last_step = std::max(last, out.end - 1);
    const int32_t host = add_host_buffer(buffer(b).bytes, {0, steps()}, true);
    schedule_.transfers.push_back({false, b, host, in.begin, in.end});
    schedule_.transfers.push_back({true, b, host, out.begin, out.end});
    sent_.insert(b);
  }

  /// Lives to the step behind the last point: copies to the host come first at a point, and must not meet it.
  int32_t add_host_buffer(int64_t bytes, CopyWindow life, bool persistent) {
    const int32_t last = steps() - 1;
    schedule_.host_buffers.push_back(
        {offload_->value, bytes, std::min(life.begin, last), std::min(life.end, last), persistent});
    return static_cast<int32_t>(schedule_.host_buffers.size()) - 1;
  }

  static void rename(Step& step, int32_t from, int32_t to) {
    std::replace(step.inputs.begin(), step.inputs.end(), from, to);
    std::replace(step.outputs.begin(), step.outputs.end(), from, to);
  }

  const Graph& graph_;
  Schedule& schedule_;
  std::vector<StepRange> ranges_;
  std::vector<std::vector<int32_t>> uses_;        // by buffer
  std::vector<std::vector<int32_t>> buffers_of_;  // by value
  std::set<int32_t> sent_;                        // buffers copied to the host
  const Offload* offload_ = nullptr;
};

}  // namespace

std::vector<StepRange> step_ranges(const Graph& graph, const Schedule& schedule) {
  const auto starts = phase_starts(graph, schedule);
  const int32_t forward = starts[static_cast<size_t>(Phase::forward)];
  const int32_t optimizer = starts[static_cast<size_t>(Phase::optimizer)];
  return {{0, forward}, {forward, optimizer}, {optimizer, static_cast<int32_t>(schedule.steps.size())}};
}

StepRange range_of(const std::vector<StepRange>& ranges, int32_t step) {
  for (const StepRange& r : ranges)
    if (r.begin <= step && step < r.end) return r;
  throw InternalError("there is no step " + std::to_string(step));
}

std::vector<std::vector<int32_t>> buffer_uses(const Schedule& schedule) {
  std::vector<std::vector<int32_t>> uses(schedule.buffers.size());
  for (size_t s = 0; s < schedule.steps.size(); ++s) {
    const auto use = [&](int32_t b) {
      if (b == kNone) return;
      std::vector<int32_t>& steps = uses[static_cast<size_t>(b)];
      if (steps.empty() || steps.back() != static_cast<int32_t>(s)) steps.push_back(static_cast<int32_t>(s));
    };
    const Step& step = schedule.steps[s];
    for (int32_t b : step.inputs) use(b);
    for (int32_t b : step.outputs) use(b);
    use(step.workspace);
  }
  return uses;
}

ValueId written(const Graph& graph, const Step& step, int32_t buffer) {
  for (size_t k = 0; k < step.outputs.size(); ++k)
    if (step.outputs[k] == buffer) return graph.op(step.op).outputs[k];
  return kNone;
}

void apply_offloads(const Graph& graph, const std::vector<Offload>& offloads, Schedule& schedule) {
  Splitter splitter(graph, schedule);
  for (const Offload& o : offloads) splitter.apply(o);
}

}  // namespace tidemark
