#include "profiler/attribution.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <unordered_map>

#include "base/error.h"
#include "base/live_bytes.h"
#include "base/median.h"

namespace tidemark {
namespace {

std::string cut(const std::string& module, int depth) {
  size_t at = 0;
  for (int i = 0; i < depth && at != std::string::npos; ++i) at = module.find('.', i == 0 ? 0 : at + 1);
  return module.empty() ? "(inputs)" : module.substr(0, at);
}

std::vector<OpKindTime> op_kind_times(const Trace& trace) {
  const std::vector<double> seconds = program_step_seconds(trace);
  std::unordered_map<Name, OpKindTime> kinds;
  for (size_t i = 0; i < seconds.size(); ++i) {
    const ProgramStep& s = trace.program()[i];
    OpKindTime& k = kinds[s.kind];
    ++k.calls;
    if (seconds[i] < 0) continue;
    k.seconds += seconds[i];
    if (s.recompute) k.recompute_seconds += seconds[i];
  }
  std::vector<OpKindTime> rows;
  for (auto& [name, row] : kinds) {
    rows.push_back(row);
    rows.back().kind = name;
  }
  std::ranges::sort(rows, {}, &OpKindTime::kind);
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto& a, const auto& b) { return a.seconds > b.seconds; });
  return rows;
}

/// Of what the ops started on the device; what none of them did is under its module. An op that stands in
/// the plan's order again is the same one.
std::vector<NamedOpTime> named_op_times(const Trace& trace) {
  if (!trace.metadata().contains("named_ops")) return {};
  const std::vector<double> seconds = program_step_seconds(trace);
  std::unordered_map<std::string, NamedOpTime> ops;
  for (size_t i = 0; i < seconds.size(); ++i) {
    if (seconds[i] <= 0) continue;
    NamedOpTime& op = ops[trace.program()[i].module.text()];
    ++op.calls;
    op.seconds += seconds[i];
  }
  std::vector<NamedOpTime> rows;
  for (auto& [name, row] : ops) {
    rows.push_back(row);
    rows.back().op = name;
  }
  std::ranges::sort(rows, [](const auto& a, const auto& b) {
    return a.seconds != b.seconds ? a.seconds > b.seconds : a.op < b.op;
  });
  return rows;
}

double median_step_seconds(const std::vector<TrainingStep>& steps) {
  std::vector<double> seconds;
  for (const TrainingStep& s : steps)
    seconds.push_back((static_cast<double>(s.end_ns) - static_cast<double>(s.start_ns)) * 1e-9);
  if (seconds.size() > 1) seconds.erase(seconds.begin());
  return median(std::move(seconds));
}

/// Bytes of [0, end) that some buffer owns.
int64_t covered_bytes(const Trace& trace) {
  std::vector<std::pair<int64_t, int64_t>> ranges;
  for (const TraceBuffer& b : trace.buffers()) ranges.emplace_back(b.offset, b.offset + b.bytes);
  std::sort(ranges.begin(), ranges.end());
  int64_t covered = 0, end = 0;
  for (const auto& [from, to] : ranges) {
    if (to <= end) continue;
    covered += to - std::max(from, end);
    end = to;
  }
  return covered;
}

/// `live`: bytes at each step of the program; `times`: when it ran.
void compare_with_driver(const Trace& trace, const std::vector<int64_t>& live,
                         const std::vector<TimeSpan>& times, Attribution& a) {
  const nlohmann::json& m = trace.metadata();
  const auto number = [&](const char* key) {
    const auto it = m.find(key);
    return it != m.end() && it->is_number_integer() ? it->get<int64_t>() : 0;
  };
  a.device_used_bytes = number("device_used_bytes");
  if (a.device_used_bytes <= 0) return;
  const int64_t time = number("device_used_at_ns");
  // Of traces that do not say it the step that ran then.
  const auto after = std::ranges::upper_bound(times, time, {}, &TimeSpan::start_ns) - times.begin();
  int64_t step = m.contains("device_used_step") ? number("device_used_step") : after - 1;
  step = std::clamp<int64_t>(step, 0, static_cast<int64_t>(live.size()) - 1);
  a.device_explained_bytes = live[static_cast<size_t>(step)];
  a.device_used_ms = (static_cast<double>(time) - static_cast<double>(times.front().start_ns)) * 1e-6;
  const auto used = static_cast<double>(a.device_used_bytes);
  a.coverage = std::max(0.0, 1 - std::abs(used - static_cast<double>(a.device_explained_bytes)) / used);
}

void find_peak(const Trace& trace, Attribution& a) {
  const std::vector<TimeSpan> times = trace.program_times(a.training_step);
  const std::vector<int64_t> live = live_in_all(trace.buffers(), times.size());
  const auto peak = std::ranges::max_element(live);
  a.peak_step = static_cast<int32_t>(peak - live.begin());
  a.peak_bytes = *peak;
  a.peak_ms = (static_cast<double>(times[static_cast<size_t>(a.peak_step)].start_ns) -
               static_cast<double>(times.front().start_ns)) *
              1e-6;
  if (a.arena_resident_bytes > 0)
    a.coverage = std::min(
        1.0, static_cast<double>(covered_bytes(trace)) / static_cast<double>(a.arena_resident_bytes));
  compare_with_driver(trace, live, times, a);
}

}  // namespace

Attribution attribute(const Trace& trace, int module_depth, size_t values) {
  if (trace.steps().empty())
    throw Error("cannot report", trace.path(), "it has no complete training step",
                "record at least one with 'tidemark profile --steps'");
  Attribution a;
  a.training_step = trace.steps().back().number;
  a.arena_resident_bytes = trace.steps().back().arena_resident_bytes;
  find_peak(trace, a);

  std::map<std::string, int64_t> modules;
  for (const TraceBuffer& b : trace.buffers()) {
    a.arena_bytes = std::max(a.arena_bytes, b.offset + b.bytes);
    if (!lives_at(b, a.peak_step)) continue;
    a.categories[static_cast<size_t>(b.category)] += b.bytes;
    modules[cut(b.module, module_depth)] += b.bytes;
    a.largest.push_back(b);
  }
  for (const auto& [name, bytes] : modules) a.modules.push_back({name, bytes});
  std::stable_sort(a.modules.begin(), a.modules.end(),
                   [](const auto& x, const auto& y) { return x.bytes > y.bytes; });
  std::stable_sort(a.largest.begin(), a.largest.end(),
                   [](const auto& x, const auto& y) { return x.bytes > y.bytes; });
  if (a.largest.size() > values) a.largest.resize(values);
  a.op_kinds = op_kind_times(trace);
  a.named_ops = named_op_times(trace);
  a.step_seconds = median_step_seconds(trace.steps());
  return a;
}

}  // namespace tidemark
