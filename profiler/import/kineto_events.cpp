#include "profiler/import/kineto_events.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_map>

#include "base/error.h"
#include "base/gzip.h"

namespace tidemark {
namespace {

constexpr const char* kWhat = "cannot import the trace";
constexpr const char* kRemedy = "give a file that torch.profiler's export_chrome_trace wrote";

/// What an event may say, as numbers and texts, before it is known what it is.
struct RawEvent {
  std::string phase, category, name, thread;
  std::optional<double> ts, dur;
  std::optional<int64_t> address, bytes, allocated, reserved, device_type, device_id, device, external_id,
      sequence, forward_thread;
};

/// Text or number to the field of that key.
class Fields {
 public:
  explicit Fields(RawEvent& e) : e_(e) {}

  std::string* text(const std::string& key, bool in_args) {
    if (in_args) return nullptr;
    return key == "ph"     ? &e_.phase
           : key == "cat"  ? &e_.category
           : key == "name" ? &e_.name
           : key == "tid"  ? &e_.thread
                           : nullptr;
  }
  std::optional<double>* real(const std::string& key, bool in_args) {
    if (in_args) return nullptr;
    return key == "ts" ? &e_.ts : key == "dur" ? &e_.dur : nullptr;
  }
  std::optional<int64_t>* integer(const std::string& key, bool in_args) {
    if (!in_args) return nullptr;
    static const std::unordered_map<std::string, std::optional<int64_t> RawEvent::*> kFields = {
        {"Addr", &RawEvent::address},
        {"Bytes", &RawEvent::bytes},
        {"Total Allocated", &RawEvent::allocated},
        {"Total Reserved", &RawEvent::reserved},
        {"Device Type", &RawEvent::device_type},
        {"Device Id", &RawEvent::device_id},
        {"device", &RawEvent::device},
        {"External id", &RawEvent::external_id},
        {"Sequence number", &RawEvent::sequence},
        {"Fwd thread id", &RawEvent::forward_thread}};
    const auto it = kFields.find(key);
    return it == kFields.end() ? nullptr : &(e_.*it->second);
  }

 private:
  RawEvent& e_;
};

/// Takes the parser's events; hands each element of "traceEvents" to `take`.
class Handler : public nlohmann::json_sax<nlohmann::json> {
 public:
  Handler(const std::string& path, std::function<void(const RawEvent&)> take)
      : path_(path), take_(std::move(take)) {}

  bool found_events() const { return found_events_; }

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t value) override { return number(value); }
  bool number_unsigned(number_unsigned_t value) override { return number(static_cast<int64_t>(value)); }
  bool number_float(number_float_t value, const string_t&) override {
    if (const auto field = Fields(event_).real(key_, in_args()); in_event() && field) *field = value;
    return true;
  }
  bool string(string_t& value) override {
    if (const auto field = Fields(event_).text(key_, in_args()); in_event() && field) *field = value;
    return true;
  }
  bool binary(binary_t&) override { return true; }
  bool start_object(size_t) override {
    open();
    if (depth_ == events_depth_ + 1) event_ = {};
    return true;
  }
  bool end_object() override {
    if (events_depth_ > 0 && depth_ == events_depth_ + 1) take_(event_);
    return close();
  }
  bool start_array(size_t) override {
    if (depth_ == 0 || (depth_ == 1 && key_ == "traceEvents")) {
      events_depth_ = depth_ + 1;
      found_events_ = true;
    }
    open();
    return true;
  }
  bool end_array() override {
    if (depth_ == events_depth_) events_depth_ = 0;
    return close();
  }
  bool key(string_t& value) override {
    key_ = value;
    if (events_depth_ > 0 && depth_ == events_depth_ + 1) args_ = value == "args";
    return true;
  }
  bool parse_error(size_t position, const std::string&, const nlohmann::json::exception& e) override {
    if (std::string_view(e.what()).find("unexpected end of input") != std::string_view::npos)
      throw Error(kWhat, path_, "it is cut off after " + std::to_string(position - 1) + " bytes",
                  "copy it again, or end the profiler before the program");
    throw Error(kWhat, path_, "not valid JSON at byte " + std::to_string(position), kRemedy);
  }

 private:
  static constexpr size_t kMostDepth = 1000;

  void open() {
    if (++depth_ > kMostDepth) throw Error(kWhat, path_, "it is nested too deeply", kRemedy);
  }
  bool close() {
    --depth_;
    return true;
  }
  /// At an event's own fields, or at those of its "args".
  bool in_event() const {
    return events_depth_ > 0 && (depth_ == events_depth_ + 1 || (args_ && depth_ == events_depth_ + 2));
  }
  bool in_args() const { return depth_ == events_depth_ + 2; }

  bool number(int64_t value) {
    if (!in_event()) return true;
    Fields fields(event_);
    if (const auto field = fields.real(key_, in_args()))
      *field = static_cast<double>(value);
    else if (const auto whole = fields.integer(key_, in_args()))
      *whole = value;
    else if (const auto text = fields.text(key_, in_args()))
      *text = std::to_string(value);
    return true;
  }

  std::string path_;
  std::function<void(const RawEvent&)> take_;
  RawEvent event_;
  std::string key_;
  size_t depth_ = 0, events_depth_ = 0;  ///< of the events' array; 0: not within
  bool args_ = false, found_events_ = false;
};

/// Characters of a file, a piece at a time.
class Characters {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  Characters() = default;
  explicit Characters(GzipReader& file) : state_(std::make_shared<State>(file)) { state_->fill(); }

  const char& operator*() const { return state_->piece[state_->at]; }
  Characters& operator++() {
    if (++state_->at == state_->size) state_->fill();
    return *this;
  }
  void operator++(int) { ++*this; }
  /// Only whether it is at the end is ever asked.
  bool operator==(const Characters& other) const { return at_end() == other.at_end(); }

 private:
  struct State {
    explicit State(GzipReader& f) : file(f), piece(1 << 18) {}
    void fill() {
      at = 0;
      size = file.read(std::as_writable_bytes(std::span(piece)));
    }
    GzipReader& file;
    std::vector<char> piece;
    size_t at = 0, size = 0;
  };
  bool at_end() const { return !state_ || state_->size == 0; }

  std::shared_ptr<State> state_;
};

class Collector {
 public:
  explicit Collector(const std::string& path) : path_(path) {}

  void take(const RawEvent& raw) {
    const auto kind = kind_of(raw);
    if (!kind) return;
    if (!raw.ts) throw bad(raw, "has no time");
    KinetoEvent e;
    e.kind = *kind;
    e.start_ns = nanoseconds(raw, *raw.ts);
    e.duration_ns = nanoseconds(raw, raw.dur.value_or(0));
    e.thread = static_cast<int32_t>(number_of(raw.thread, threads_));
    if (*kind == KinetoEvent::memory) {
      take_memory(raw, e);
    } else {
      e.name = name_of(raw);
      e.external_id = raw.external_id.value_or(-1);
      e.sequence = raw.sequence.value_or(-1);
      e.has_forward_thread = raw.forward_thread.value_or(0) > 0;
      if (*kind == KinetoEvent::device_work) e.device = device(1, raw.device.value_or(0));
    }
    result_.events.push_back(e);
  }

  KinetoEvents finish() {
    const auto before = [](const KinetoEvent& a, const KinetoEvent& b) {
      return a.start_ns != b.start_ns ? a.start_ns < b.start_ns : a.duration_ns > b.duration_ns;
    };
    std::stable_sort(result_.events.begin(), result_.events.end(), before);
    return std::move(result_);
  }

 private:
  static std::optional<KinetoEvent::Kind> kind_of(const RawEvent& e) {
    if (e.name == "[memory]" && e.bytes && e.address) return KinetoEvent::memory;
    if (e.phase != "X") return {};
    if (e.category == "cpu_op") return KinetoEvent::op;
    if (e.category == "user_annotation") return KinetoEvent::annotation;
    if (e.category == "python_function" && e.name.starts_with("nn.Module: ")) return KinetoEvent::module;
    if (e.category == "kernel" || e.category == "gpu_memcpy" || e.category == "gpu_memset")
      return KinetoEvent::device_work;
    return {};
  }

  Error bad(const RawEvent& e, const std::string& why) const {
    return Error(kWhat, path_, "event '" + e.name + "' " + why, kRemedy);
  }

  int64_t nanoseconds(const RawEvent& e, double microseconds) const {
    constexpr double kMost = 4e15;  // microseconds, a century
    if (!(std::abs(microseconds) <= kMost)) throw bad(e, "has a time that cannot be");
    return std::llround(microseconds * 1000);
  }

  void take_memory(const RawEvent& raw, KinetoEvent& e) {
    constexpr int64_t kMostBytes = int64_t{1} << 48;
    if (*raw.bytes > kMostBytes || *raw.bytes < -kMostBytes || *raw.address < 0)
      throw bad(raw, "has a size or an address that cannot be");
    e.address = static_cast<uint64_t>(*raw.address);
    e.bytes = *raw.bytes;
    e.total_allocated = raw.allocated.value_or(0);
    e.total_reserved = raw.reserved.value_or(0);
    e.device = device(raw.device_type.value_or(0), raw.device_id.value_or(0));
  }

  /// PyTorch's numbers: 0 is the CPU, 1 CUDA.
  int16_t device(int64_t type, int64_t index) {
    const std::string name = type == 0   ? "cpu"
                             : type == 1 ? "cuda:" + std::to_string(index)
                                         : "type " + std::to_string(type) + ":" + std::to_string(index);
    const auto [it, is_new] = device_numbers_.try_emplace(name, result_.devices.size());
    if (is_new) {
      if (result_.devices.size() == INT16_MAX) throw Error(kWhat, path_, "it has too many devices", kRemedy);
      result_.devices.push_back(name);
    }
    return static_cast<int16_t>(it->second);
  }

  uint32_t name_of(const RawEvent& e) {
    const auto [it, is_new] = names_.try_emplace(e.name, static_cast<uint32_t>(result_.names.size()));
    if (is_new) result_.names.push_back(e.name);
    return it->second;
  }

  static uint32_t number_of(const std::string& name, std::unordered_map<std::string, uint32_t>& numbers) {
    return numbers.try_emplace(name, static_cast<uint32_t>(numbers.size())).first->second;
  }

  std::string path_;
  KinetoEvents result_;
  std::unordered_map<std::string, uint32_t> names_, threads_;
  std::map<std::string, size_t> device_numbers_;
};

}  // namespace

KinetoEvents read_kineto(const std::string& path) {
  GzipReader file(path, kWhat);
  Collector collector(path);
  Handler handler(path, [&](const RawEvent& e) { collector.take(e); });
  nlohmann::json::sax_parse(Characters(file), Characters(), &handler);
  if (!handler.found_events()) throw Error(kWhat, path, "it has no traceEvents", kRemedy);
  return collector.finish();
}

}  // namespace tidemark
