#include <algorithm>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "base/median.h"
#include "profiler/trace.h"
#include "profiler/trace_format.h"

namespace tidemark {
namespace {

/// Of a run's program steps, one after the other.
class Times {
 public:
  Times(const Trace& trace, const Run& run)
      : trace_(trace), run_(run), encoded_(run.encoded), end_(run.start_ns) {}

  TimeSpan next() {
    TimeSpan t;
    t.start_ns = end_ + std::min(varint(), INT64_MAX - std::max<int64_t>(end_, 0));
    t.end_ns = t.start_ns + std::min(varint(), INT64_MAX - std::max<int64_t>(t.start_ns, 0));
    end_ = t.end_ns;
    return t;
  }

 private:
  int64_t varint() {
    const uint64_t value = encoded_.next();
    if (!encoded_.good())
      throw tide::unreadable(
          trace_.path(), "the times of training step " + std::to_string(run_.training_step) + " are damaged");
    return static_cast<int64_t>(value & INT64_MAX);
  }

  const Trace& trace_;
  const Run& run_;
  tide::VarintReader encoded_;
  int64_t end_ = 0;
};

}  // namespace

std::vector<TimeSpan> Trace::times(const Run& run) const {
  std::vector<TimeSpan> spans(static_cast<size_t>(run.count));
  Times times(*this, run);
  for (TimeSpan& t : spans) t = times.next();
  return spans;
}

std::vector<TimeSpan> Trace::program_times(int64_t training_step) const {
  std::vector<TimeSpan> all(program().size());
  bool found = false;
  for (const Run& run : runs()) {
    if (run.training_step != training_step) continue;
    found = true;
    Times times(*this, run);
    for (int32_t i = 0; i < run.count; ++i) all[static_cast<size_t>(run.first + i)] = times.next();
  }
  if (!found)
    throw Error("cannot show the trace", path(), "it has no training step " + std::to_string(training_step),
                "it has " + std::to_string(steps().size()));
  return all;
}

std::vector<double> program_step_seconds(const Trace& trace) {
  const std::vector<ProgramStep>& program = trace.program();
  int64_t first = INT64_MAX, last = INT64_MIN;
  for (const Run& run : trace.runs()) {
    first = std::min(first, run.training_step);
    last = std::max(last, run.training_step);
  }
  const auto counts = [&](const Run& run) { return run.training_step != first || last == first; };

  // Steps of one op, which may run again, side by side; their durations, too.
  std::vector<uint32_t> by_op(program.size());
  std::iota(by_op.begin(), by_op.end(), 0);
  std::ranges::stable_sort(by_op, {}, [&](uint32_t step) { return program[step].op.key(); });
  std::vector<size_t> place(program.size());  // of a step's next duration; first their number
  for (const Run& run : trace.runs())
    if (counts(run))
      for (int32_t i = 0; i < run.count; ++i) ++place[static_cast<size_t>(run.first + i)];
  size_t total = 0;
  for (const uint32_t step : by_op) total += std::exchange(place[step], total);
  std::vector<int64_t> durations(total);
  for (const Run& run : trace.runs()) {
    if (!counts(run)) continue;
    Times times(trace, run);
    for (int32_t i = 0; i < run.count; ++i) {
      const TimeSpan t = times.next();
      durations[place[static_cast<size_t>(run.first + i)]++] = t.end_ns - t.start_ns;
    }
  }

  std::vector<double> medians(program.size(), -1);
  auto from = durations.begin();
  for (auto step = by_op.begin(); step != by_op.end();) {
    const auto past = std::find_if(step, by_op.end(),
                                   [&](uint32_t other) { return program[other].op != program[*step].op; });
    const auto to = durations.begin() + static_cast<std::ptrdiff_t>(place[*std::prev(past)]);
    if (from != to) {
      const double seconds = static_cast<double>(median(std::vector<int64_t>(from, to))) * 1e-9;
      std::for_each(step, past, [&](uint32_t same) { medians[same] = seconds; });
    }
    from = to;
    step = past;
  }
  return medians;
}

std::unordered_map<std::string, double> median_op_seconds(const Trace& trace) {
  const std::vector<double> seconds = program_step_seconds(trace);
  std::unordered_map<std::string, double> medians;
  for (size_t i = 0; i < seconds.size(); ++i)
    if (seconds[i] >= 0) medians[trace.program()[i].op] = seconds[i];
  return medians;
}

}  // namespace tidemark
