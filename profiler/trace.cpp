#include "profiler/trace.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "base/live_bytes.h"
#include "profiler/trace_format.h"

namespace tidemark {
namespace {

using nlohmann::json;

Error unreadable(const std::string& path, const std::string& why) {
  return Error("cannot read the trace", path, why, "record it again with 'tidemark profile --out'");
}

template <typename T>
T read_as(std::span<const std::byte> bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

TraceBuffer buffer_from(const json& row, int32_t steps) {
  TraceBuffer b;
  row.at(0).get_to(b.name);
  row.at(1).get_to(b.type);
  row.at(2).get_to(b.op);
  row.at(3).get_to(b.module);
  b.category = category_from(row.at(4).get<std::string>(), b.name);
  row.at(5).get_to(b.bytes);
  row.at(6).get_to(b.offset);
  row.at(7).get_to(b.first_step);
  row.at(8).get_to(b.last_step);
  row.at(9).get_to(b.persistent);
  if (b.bytes < 0 || b.offset < 0 || b.offset > INT64_MAX - b.bytes || b.first_step < 0 ||
      b.last_step < b.first_step || b.last_step >= steps)
    throw Error("bad trace", "buffer '" + b.name + "'", "its size, place or life cannot be");
  return b;
}

ProgramStep step_from(const json& row) {
  ProgramStep s;
  row.at(0).get_to(s.op);
  row.at(1).get_to(s.kind);
  row.at(2).get_to(s.module);
  s.phase = phase_from(row.at(3).get<std::string>(), s.op);
  row.at(4).get_to(s.recompute);
  return s;
}

}  // namespace

struct Trace::State {
  std::string path;
  std::unique_ptr<MappedFile> file;
  json metadata;
  std::vector<TraceBuffer> buffers;
  std::vector<ProgramStep> program;
  std::vector<Run> runs;
  std::vector<TrainingStep> steps;
  std::string damage;
  size_t position = 0;  ///< of the next frame
  /// The file's beginning, up to the checksum of its tables: what tells it from another one.
  std::array<std::byte, tide::kFileHeaderBytes + sizeof(tide::FrameHeader)> head;

  void read_frames();
  void read_tables(std::span<const std::byte> payload);
  bool read_run(std::span<const std::byte> payload);
};

void Trace::State::read_tables(std::span<const std::byte> payload) {
  const auto* text = reinterpret_cast<const char*>(payload.data());
  try {
    const json tables = json::parse(text, text + payload.size());
    metadata = tables.at("metadata");
    for (const json& row : tables.at("program")) program.push_back(step_from(row));
    int64_t room = INT64_MAX;  // so that no sum of sizes overflows
    for (const json& row : tables.at("buffers")) {
      buffers.push_back(buffer_from(row, static_cast<int32_t>(program.size())));
      if (buffers.back().bytes > room)
        throw Error("bad trace", "buffers", "they come to more than 2^63 bytes");
      room -= buffers.back().bytes;
    }
  } catch (const std::exception& e) {
    throw unreadable(path, std::string("its tables are damaged: ") + e.what());
  }
}

bool Trace::State::read_run(std::span<const std::byte> payload) {
  if (payload.size() < sizeof(tide::RunHeader)) return false;
  const auto h = read_as<tide::RunHeader>(payload);
  if (h.first < 0 || h.count <= 0 || h.first > static_cast<int32_t>(program.size()) - h.count) return false;
  runs.push_back({h.training_step, h.micro_batch, h.first, h.count, h.start_ns,
                  payload.subspan(sizeof(tide::RunHeader))});
  return true;
}

void Trace::State::read_frames() {
  const std::span<const std::byte> all = file->bytes();
  damage.clear();
  while (position < all.size()) {
    const std::string where = " at byte " + std::to_string(position);
    const std::span<const std::byte> rest = all.subspan(position);
    if (rest.size() < sizeof(tide::FrameHeader)) {
      damage = "the last record is cut short" + where;
      return;
    }
    const auto header = read_as<tide::FrameHeader>(rest);
    if (rest.size() - sizeof header < header.bytes) {
      damage = "the last record is cut short" + where;
      return;
    }
    const std::span<const std::byte> payload = rest.subspan(sizeof header, header.bytes);
    if (tide::checksum(header.type, payload) != header.crc) {
      damage = "a record fails its checksum" + where;
      return;
    }
    bool good = true;
    if (header.type == tide::kTables && program.empty())
      read_tables(payload);
    else if (header.type == tide::kRun && !program.empty())
      good = read_run(payload);
    else if (header.type == tide::kStep && payload.size() == tide::kStepBytes)
      steps.push_back(read_as<TrainingStep>(payload));
    else
      good = false;
    if (!good) {
      damage = "a record makes no sense" + where;
      return;
    }
    position += sizeof header + header.bytes;
  }
}

Trace::Trace(const std::string& path) : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.path = path;
  s.file = std::make_unique<MappedFile>(path, "cannot read the trace");
  const std::span<const std::byte> all = s.file->bytes();
  if (all.size() < tide::kFileHeaderBytes || std::memcmp(all.data(), tide::kMagic, sizeof tide::kMagic) != 0)
    throw unreadable(path, "it is not a .tide trace");
  if (const auto version = read_as<uint32_t>(all.subspan(sizeof tide::kMagic)); version != tide::kVersion)
    throw unreadable(path, "it is of version " + std::to_string(version) + ", this program reads version " +
                               std::to_string(tide::kVersion));
  s.position = tide::kFileHeaderBytes;
  s.read_frames();
  if (s.program.empty()) throw unreadable(path, "it ends before its tables");
  std::copy_n(all.begin(), s.head.size(), s.head.begin());
}

Trace::~Trace() = default;
Trace::Trace(Trace&&) noexcept = default;

const std::string& Trace::path() const {
  return state_->path;
}
const json& Trace::metadata() const {
  return state_->metadata;
}
const std::vector<TraceBuffer>& Trace::buffers() const {
  return state_->buffers;
}
const std::vector<ProgramStep>& Trace::program() const {
  return state_->program;
}
const std::vector<Run>& Trace::runs() const {
  return state_->runs;
}
const std::vector<TrainingStep>& Trace::steps() const {
  return state_->steps;
}
const std::string& Trace::damage() const {
  return state_->damage;
}

bool Trace::refresh() {
  State& s = *state_;
  auto grown = std::make_unique<MappedFile>(s.path, "cannot follow the trace");
  const std::span<const std::byte> all = grown->bytes();
  if (all.size() < s.position || std::memcmp(all.data(), s.head.data(), s.head.size()) != 0)
    throw Error("cannot follow the trace", s.path, "another one has taken its place", "open it again");
  for (Run& r : s.runs)  // the map may have moved
    r.encoded = all.subspan(static_cast<size_t>(r.encoded.data() - s.file->bytes().data()), r.encoded.size());
  s.file = std::move(grown);
  const size_t before = s.position;
  s.read_frames();
  return s.position != before;
}

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
    throw unreadable(path(),
                     "the times of training step " + std::to_string(run.training_step) + " are damaged");
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
  for (auto& [op, ns] : durations) {
    const auto middle = ns.begin() + static_cast<std::ptrdiff_t>(ns.size() / 2);
    std::nth_element(ns.begin(), middle, ns.end());
    medians[op] = static_cast<double>(*middle) * 1e-9;
  }
  return medians;
}

}  // namespace tidemark
