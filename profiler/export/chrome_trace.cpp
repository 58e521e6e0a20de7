#include "profiler/export/chrome_trace.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <unordered_map>

#include "base/error.h"
#include "base/gzip.h"
#include "base/live_bytes.h"

namespace tidemark {
namespace {

using nlohmann::json;

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

/// Names in damaged or foreign traces need not be UTF-8.
std::string text_of(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

/// A name as it stands in JSON.
struct Quoted {
  const Name& name;
  bool has_number = true;  ///< else the text alone: viewers add up what has the same name
};

/// Events as text. Traces have millions, so none is ever a document of its own.
class EventText {
 public:
  std::string_view str() const { return text_; }
  void clear() { text_.clear(); }

  EventText& operator<<(std::string_view raw) {
    text_ += raw;
    return *this;
  }
  EventText& operator<<(int64_t number) {
    char digits[24];
    text_.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
    return *this;
  }
  EventText& operator<<(Quoted quoted) {
    text_ += quoted_text(quoted.name.text());
    if (const int32_t number = quoted.name.number(); quoted.has_number && number >= 0) {
      text_.back() = ' ';  // the quote that ends the text
      *this << "#" << int64_t{number} << "\"";
    }
    return *this;
  }
  /// The format counts in microseconds; a time of ours needs three decimals.
  EventText& microseconds(int64_t ns) {
    const bool negative = ns < 0;
    const uint64_t size = negative ? -static_cast<uint64_t>(ns) : static_cast<uint64_t>(ns);
    const uint64_t rest = size % 1000;
    if (negative) text_ += '-';
    *this << static_cast<int64_t>(size / 1000);
    if (rest == 0) return *this;
    const char decimals[] = {'.', static_cast<char>('0' + rest / 100),
                             static_cast<char>('0' + rest / 10 % 10), static_cast<char>('0' + rest % 10)};
    text_.append(decimals, sizeof decimals);
    return *this;
  }

 private:
  const std::string& quoted_text(const std::string& text) {
    const auto [it, is_new] = quoted_.try_emplace(&text);
    if (is_new) it->second = text_of(text);
    return it->second;
  }

  std::string text_;
  std::unordered_map<const std::string*, std::string> quoted_;  ///< all equal names share one text
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
    for (size_t c = 0; c < kCategoryCount; ++c)
      if (std::ranges::any_of(live_, [c](const CategoryBytes& bytes) { return bytes[c] != 0; }))
        categories_.push_back(c);
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
  /// Begins an event; its text follows, and then end_event().
  EventText& begin_event() { return event_ << std::exchange(separator_, ",\n"); }
  void end_event() {
    event_ << "}";
    out_.write(event_.str());
    event_.clear();
  }

  /// The format counts from any origin.
  int64_t since_origin(int64_t ns) const { return difference(ns, origin_); }
  /// Of damaged times, too.
  static int64_t difference(int64_t a, int64_t b) {
    return static_cast<int64_t>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
  }

  void put_name(std::string_view kind, int track, const std::string& name) {
    begin_event() << R"({"ph":"M","name":")" << kind << R"(","pid":)" << int64_t{kProcess} << R"(,"tid":)"
                  << int64_t{track} << R"(,"args":{"name":)" << text_of(name) << "}";
    end_event();
  }

  void put_names() {
    put_name("process_name", 0, trace_.metadata().value("model", std::string("tidemark")));
    put_name("thread_name", kStepTrack, "training steps");
    for (int p = 0; p < kPhaseCount; ++p)
      put_name("thread_name", track_of(static_cast<Phase>(p)),
               std::string(kPhaseNames[static_cast<size_t>(p)]));
  }

  /// A slice; its arguments follow, without the braces around them, and then "}" and end_event().
  EventText& begin_slice(const Name& name, std::string_view category, int track, int64_t begin, int64_t end) {
    begin_event() << R"({"ph":"X","name":)" << Quoted{name, false} << R"(,"cat":")" << category
                  << R"(","pid":)" << int64_t{kProcess} << R"(,"tid":)" << int64_t{track} << R"(,"ts":)";
    event_.microseconds(since_origin(begin)) << R"(,"dur":)";
    return event_.microseconds(difference(end, begin)) << R"(,"args":{)";
  }

  void put_run(const Run& run, std::vector<Stretch>& stretches) {
    const std::vector<TimeSpan> times = trace_.times(run);
    if (stretches.empty() ||
        stretches.back().first + static_cast<int32_t>(stretches.back().begins.size()) != run.first)
      stretches.push_back({run.first, {}, 0});
    Stretch& stretch = stretches.back();
    const bool has_ops = trace_.metadata().contains("named_ops");
    for (size_t i = 0; i < times.size(); ++i) {
      const size_t step = static_cast<size_t>(run.first) + i;
      const ProgramStep& s = trace_.program()[step];
      if (has_ops && (i == 0 || !is_same_op(s, trace_.program()[step - 1]))) put_named_op(times, i, step);
      begin_slice(s.op, name_of(s.phase), track_of(s.phase), times[i].start_ns, times[i].end_ns)
          << R"("kind":)" << Quoted{s.kind} << R"(,"module":)" << Quoted{s.module} << R"(,"training_step":)"
          << run.training_step;
      if (s.op.number() >= 0) event_ << R"(,"op":)" << Quoted{s.op};
      if (run.micro_batch >= 0) event_ << R"(,"micro_batch":)" << int64_t{run.micro_batch};
      if (s.recompute) event_ << R"(,"recompute":true)";
      event_ << "}";
      end_event();
      ++count_.ops;
      put_counters(times[i].start_ns, live_[step]);
      stretch.begins.push_back(times[i].start_ns);
    }
    stretch.end = times.back().end_ns;
  }

  static bool is_same_op(const ProgramStep& a, const ProgramStep& b) {
    return a.module == b.module && a.phase == b.phase;
  }

  /// Of a recording whose program named its ops: a slice around what one started, which viewers show below
  /// it. `i` of `times` is its first step.
  void put_named_op(const std::vector<TimeSpan>& times, size_t i, size_t step) {
    const std::vector<ProgramStep>& program = trace_.program();
    const ProgramStep& s = program[step];
    size_t last = i;
    while (last + 1 < times.size() && is_same_op(program[step + (last + 1 - i)], s)) ++last;
    if (times[last].end_ns == times[i].start_ns) return;  // memory operations alone
    begin_slice(s.module, "op", track_of(s.phase), times[i].start_ns, times[last].end_ns)
        << R"("op":)" << Quoted{s.module} << "}";
    end_event();
  }

  void put_counters(int64_t time, const CategoryBytes& bytes) {
    if (categories_.empty() || shown_ == bytes) return;
    shown_ = bytes;
    begin_event() << R"({"ph":"C","name":"bytes by category","pid":)" << int64_t{kProcess} << R"(,"ts":)";
    event_.microseconds(since_origin(time)) << R"(,"args":)";
    std::string_view separator = "{\"";
    for (const size_t c : categories_)
      event_ << std::exchange(separator, ",\"") << kCategoryNames[c] << "\":" << bytes[c];
    event_ << "}";
    end_event();
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
    put_life_event("b", b, begin) << R"(,"args":{"bytes":)" << b.bytes << R"(,"offset":)" << b.offset
                                  << R"(,"type":)" << Quoted{b.type} << R"(,"op":)" << Quoted{b.op}
                                  << R"(,"module":)" << Quoted{b.module};
    if (b.name.number() >= 0 && b.name != b.op) event_ << R"(,"value":)" << Quoted{b.name};
    event_ << "}";
    end_event();
    put_life_event("e", b, end);
    end_event();
    ++count_.lives;
  }

  EventText& put_life_event(std::string_view phase, const TraceBuffer& b, int64_t time) {
    begin_event() << R"({"ph":")" << phase << R"(","name":)" << Quoted{b.name, false} << R"(,"cat":")"
                  << name_of(b.category) << R"(","id":)" << count_.lives << R"(,"pid":)" << int64_t{kProcess}
                  << R"(,"tid":)" << int64_t{kStepTrack} << R"(,"ts":)";
    return event_.microseconds(since_origin(time));
  }

  void put_step(const TrainingStep& s) {
    if (!runs_.contains(s.number)) return;
    const std::string numbers = text_of({{"loss", s.loss},
                                         {"grad_norm", s.grad_norm},
                                         {"arena_resident_bytes", s.arena_resident_bytes},
                                         {"process_resident_bytes", s.process_resident_bytes}});
    begin_slice("step " + std::to_string(s.number), "training step", kStepTrack, s.start_ns, s.end_ns)
        << std::string_view(numbers).substr(1);
    end_event();
  }

  const Trace& trace_;
  std::vector<CategoryBytes> live_;
  std::vector<size_t> categories_;                   ///< that have bytes at any step
  std::map<int64_t, std::vector<const Run*>> runs_;  ///< by training step
  GzipWriter out_;
  int64_t origin_ = 0;
  EventText event_;
  std::string_view separator_ = "\n";
  std::optional<CategoryBytes> shown_;
  ExportedEvents count_;
};

}  // namespace

ExportedEvents export_chrome_trace(const Trace& trace, const std::string& path) {
  return Exporter(trace, path).run();
}

}  // namespace tidemark
