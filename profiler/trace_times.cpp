#include <algorithm>
#include <map>
#include <utility>

#include "base/error.h"
#include "base/live_bytes.h"
#include "base/median.h"
#include "profiler/trace.h"

namespace tidemark {

std::vector<TimeSpan> Trace::times(const Run& run) const {
  std::vector<TimeSpan> spans;
  spans.reserve(static_cast<size_t>(run.count));
  size_t at = 0;
  const auto varint = [&] {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at == run.encoded.size()) break;
      const auto byte = static_cast<uint64_t>(run.encoded[at++]);
      value |= (byte & 0x7f) << shift;
      if (!(byte & 0x80)) return static_cast<int64_t>(value & INT64_MAX);
    }
    throw Error("cannot read the trace", path(),
                "the times of training step " + std::to_string(run.training_step) + " are damaged",
                "record it again with 'tidemark profile --out'");
  };
  int64_t end = run.start_ns;
  for (int32_t i = 0; i < run.count; ++i) {
    TimeSpan t;
    t.start_ns = end + std::min(varint(), INT64_MAX - std::max<int64_t>(end, 0));
    t.end_ns = t.start_ns + std::min(varint(), INT64_MAX - std::max<int64_t>(t.start_ns, 0));
    end = t.end_ns;
    spans.push_back(t);
  }
  return spans;
}

std::vector<TimeSpan> Trace::program_times(int64_t training_step) const {
  std::vector<TimeSpan> all(program().size());
  bool found = false;
  for (const Run& run : runs()) {
    if (run.training_step != training_step) continue;
    found = true;
    const std::vector<TimeSpan> part = times(run);
    std::copy(part.begin(), part.end(), all.begin() + run.first);
  }
  if (!found)
    throw Error("cannot show the trace", path(), "it has no training step " + std::to_string(training_step),
                "it has " + std::to_string(steps().size()));
  return all;
}

std::vector<MemorySample> Trace::timeline(int64_t training_step) const {
  const std::vector<TimeSpan> times = program_times(training_step);
  const std::vector<CategoryBytes> live = live_by_category(buffers(), times.size());
  std::vector<MemorySample> samples(times.size());
  for (size_t i = 0; i < samples.size(); ++i)
    samples[i] = {.time_ns = times[i].start_ns, .step = static_cast<int32_t>(i), .bytes = live[i]};
  return samples;
}

std::unordered_map<std::string, double> median_op_seconds(const Trace& trace) {
  int64_t first = INT64_MAX, last = INT64_MIN;
  for (const Run& run : trace.runs()) {
    first = std::min(first, run.training_step);
    last = std::max(last, run.training_step);
  }
  std::map<std::string, std::vector<int64_t>> durations;
  for (const Run& run : trace.runs()) {
    if (run.training_step == first && last > first) continue;
    const std::vector<TimeSpan> times = trace.times(run);
    for (size_t i = 0; i < times.size(); ++i)
      durations[trace.program()[static_cast<size_t>(run.first) + i].op].push_back(times[i].end_ns -
                                                                                  times[i].start_ns);
  }
  std::unordered_map<std::string, double> medians;
  for (auto& [op, ns] : durations) medians[op] = static_cast<double>(median(std::move(ns))) * 1e-9;
  return medians;
}

}  // namespace tidemark
