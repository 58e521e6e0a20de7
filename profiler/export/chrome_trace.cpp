#include "profiler/export/chrome_trace.h"

#include <algorithm>
#include <map>
#include <optional>

#include "base/error.h"
#include "base/gzip.h"
#include "base/live_bytes.h"

namespace tidemark {
namespace {

using nlohmann::json;
using Event = nlohmann::ordered_json;

constexpr int kProcess = 1;
constexpr int kStepTrack = 1;  ///< the phases' tracks follow

int track_of(Phase phase) {
  return kStepTrack + 1 + static_cast<int>(phase);
}

/// Consecutive steps of the program that ran one after the other; each lasts until the next begins.
struct Stretch {
  int32_t first = 0;
  std::vector<int64_t> begins;
  int64_t end = 0;
};

class Exporter {
 public:
  Exporter(const Trace& trace, const std::string& path)
      : trace_(trace),
        live_(live_by_category(trace.buffers(), trace.program().size())),
        out_(path, "cannot export the trace") {
    for (const Run& run : trace.runs()) runs_[run.training_step].push_back(&run);
    if (runs_.empty())
      throw Error("cannot export the trace", trace.path(), "no op of it ran",
                  "record at least one step with 'tidemark profile --steps'");
    origin_ = trace.runs().front().start_ns;
  }

  ExportedEvents run() {
    out_.write("{\"displayTimeUnit\": \"ns\", \"otherData\": " + text_of(trace_.metadata()) +
               ", \"traceEvents\": [");
    put_names();
    int64_t end = origin_;
    for (const auto& [number, runs] : runs_) {
      std::vector<Stretch> stretches;
      for (const Run* run : runs) put_run(*run, stretches);
      for (const TraceBuffer& b : trace_.buffers())
        if (!b.persistent) put_lives(b, stretches);
      end = std::max(end, stretches.back().end);
    }
    for (const TrainingStep& step : trace_.steps()) put_step(step);
    for (const TraceBuffer& b : trace_.buffers())
      if (b.persistent) put_life(b, origin_, end);
    out_.write("\n]}\n");
    out_.commit();
    return count_;
  }

 private:
  /// Names in damaged or foreign traces need not be UTF-8.
  template <typename Json>
  static std::string text_of(const Json& value) {
    return value.dump(-1, ' ', false, Json::error_handler_t::replace);
  }

  void put(const Event& event) {
    out_.write(std::exchange(separator_, ",\n"));
    out_.write(text_of(event));
  }

  /// The format counts in microseconds from any origin.
  double microseconds(int64_t ns) const { return static_cast<double>(ns - origin_) / 1000; }

  void put_name(const char* kind, int track, std::string_view name) {
    put({{"ph", "M"}, {"name", kind}, {"pid", kProcess}, {"tid", track}, {"args", {{"name", name}}}});
  }

  void put_names() {
    put_name("process_name", 0, trace_.metadata().value("model", std::string("tidemark")));
    put_name("thread_name", kStepTrack, "training steps");
    for (int p = 0; p < kPhaseCount; ++p)
      put_name("thread_name", track_of(static_cast<Phase>(p)), kPhaseNames[static_cast<size_t>(p)]);
  }

  void put_slice(const Event& name, std::string_view category, int track, int64_t begin, int64_t end,
                 Event args) {
    put({{"ph", "X"},
         {"name", name},
         {"cat", category},
         {"pid", kProcess},
         {"tid", track},
         {"ts", microseconds(begin)},
         {"dur", static_cast<double>(end - begin) / 1000},
         {"args", std::move(args)}});
  }

  void put_run(const Run& run, std::vector<Stretch>& stretches) {
    const std::vector<TimeSpan> times = trace_.times(run);
    if (stretches.empty() ||
        stretches.back().first + static_cast<int32_t>(stretches.back().begins.size()) != run.first)
      stretches.push_back({run.first, {}, 0});
    Stretch& stretch = stretches.back();
    for (size_t i = 0; i < times.size(); ++i) {
      const size_t step = static_cast<size_t>(run.first) + i;
      const ProgramStep& s = trace_.program()[step];
      Event args = {{"kind", s.kind}, {"module", s.module}, {"training_step", run.training_step}};
      if (run.micro_batch >= 0) args["micro_batch"] = run.micro_batch;
      if (s.recompute) args["recompute"] = true;
      put_slice(s.op, name_of(s.phase), track_of(s.phase), times[i].start_ns, times[i].end_ns,
                std::move(args));
      ++count_.ops;
      put_counters(times[i].start_ns, live_[step]);
      stretch.begins.push_back(times[i].start_ns);
    }
    stretch.end = times.back().end_ns;
  }

  void put_counters(int64_t time, const CategoryBytes& bytes) {
    if (shown_ == bytes) return;
    shown_ = bytes;
    Event args;
    for (size_t c = 0; c < kCategoryCount; ++c) args[std::string(kCategoryNames[c])] = bytes[c];
    put({{"ph", "C"},
         {"name", "bytes by category"},
         {"pid", kProcess},
         {"ts", microseconds(time)},
         {"args", std::move(args)}});
    ++count_.counters;
  }

  /// Once, or once per micro-batch.
  void put_lives(const TraceBuffer& b, const std::vector<Stretch>& stretches) {
    int64_t begin = 0;
    int32_t next = -1;  // the step that would continue the life that is open
    int64_t end = 0;
    for (const Stretch& s : stretches) {
      const auto past = s.first + static_cast<int32_t>(s.begins.size());
      const int32_t from = std::max(b.first_step, s.first), to = std::min(b.last_step + 1, past);
      if (from >= to) continue;
      if (next != from) {
        if (next >= 0) put_life(b, begin, end);
        begin = s.begins[static_cast<size_t>(from - s.first)];
      }
      end = to < past ? s.begins[static_cast<size_t>(to - s.first)] : s.end;
      next = to;
    }
    if (next >= 0) put_life(b, begin, end);
  }

  void put_life(const TraceBuffer& b, int64_t begin, int64_t end) {
    Event event = {
        {"ph", "b"},
        {"name", b.name},
        {"cat", name_of(b.category)},
        {"id", count_.lives++},
        {"pid", kProcess},
        {"tid", kStepTrack},
        {"ts", microseconds(begin)},
        {"args",
         {{"bytes", b.bytes}, {"offset", b.offset}, {"type", b.type}, {"op", b.op}, {"module", b.module}}}};
    put(event);
    event["ph"] = "e";
    event["ts"] = microseconds(end);
    event.erase("args");
    put(event);
  }

  void put_step(const TrainingStep& s) {
    if (!runs_.contains(s.number)) return;
    put_slice("step " + std::to_string(s.number), "training step", kStepTrack, s.start_ns, s.end_ns,
              {{"loss", s.loss},
               {"grad_norm", s.grad_norm},
               {"arena_resident_bytes", s.arena_resident_bytes},
               {"process_resident_bytes", s.process_resident_bytes}});
  }

  const Trace& trace_;
  std::vector<CategoryBytes> live_;
  std::map<int64_t, std::vector<const Run*>> runs_;  ///< by training step
  GzipWriter out_;
  int64_t origin_ = 0;
  std::string separator_ = "\n";
  std::optional<CategoryBytes> shown_;
  ExportedEvents count_;
};

}  // namespace

ExportedEvents export_chrome_trace(const Trace& trace, const std::string& path) {
  return Exporter(trace, path).run();
}

}  // namespace tidemark
