#include "profiler/trace.h"

#include <cstring>

#include "base/error.h"
#include "base/file.h"
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

/// More than any machine has, and so little that sums of it do not overflow.
constexpr int64_t kMostBytes = int64_t{1} << 60;

template <typename T>
T integer(const json& number, const std::string& path) {
  if (!number.is_number_integer()) throw unreadable(path, "its tables are damaged: not an integer");
  return number.get<T>();
}

TraceBuffer buffer_from(const json& row, int32_t steps, const std::string& path) {
  TraceBuffer b;
  row.at(0).get_to(b.name);
  row.at(1).get_to(b.type);
  row.at(2).get_to(b.op);
  row.at(3).get_to(b.module);
  b.category = category_from(row.at(4).get<std::string>(), path + ", buffer '" + b.name + "'");
  b.bytes = integer<int64_t>(row.at(5), path);
  b.offset = integer<int64_t>(row.at(6), path);
  b.first_step = integer<int32_t>(row.at(7), path);
  b.last_step = integer<int32_t>(row.at(8), path);
  row.at(9).get_to(b.persistent);
  const bool placed = b.bytes >= 0 && b.bytes <= kMostBytes && b.offset >= 0 && b.offset <= kMostBytes;
  if (!placed || b.first_step < 0 || b.last_step < b.first_step || b.last_step >= steps)
    throw unreadable(path, "the size, place or life of buffer '" + b.name + "' cannot be");
  return b;
}

ProgramStep step_from(const json& row, const std::string& path) {
  ProgramStep s;
  row.at(0).get_to(s.op);
  row.at(1).get_to(s.kind);
  row.at(2).get_to(s.module);
  s.phase = phase_from(row.at(3).get<std::string>(), path + ", op '" + s.op + "'");
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
    if (!metadata.is_object() || !metadata.value("model", json("")).is_string())
      throw unreadable(path, "its metadata are damaged");
    for (const json& row : tables.at("program")) program.push_back(step_from(row, path));
    int64_t total = 0;
    for (const json& row : tables.at("buffers")) {
      buffers.push_back(buffer_from(row, static_cast<int32_t>(program.size()), path));
      total += buffers.back().bytes;
      if (total > kMostBytes) throw unreadable(path, "its buffers are larger than any memory");
    }
  } catch (const json::exception& e) {
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
  std::memcpy(s.head.data(), all.data(), s.head.size());
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
  const size_t before = s.position;
  auto mapped = std::make_unique<MappedFile>(s.path, "cannot read the trace");
  if (mapped->bytes().size() < before) throw unreadable(s.path, "it was cut while it was read");
  if (std::memcmp(mapped->bytes().data(), s.head.data(), s.head.size()) != 0)
    throw unreadable(s.path, "another one has taken its place");
  const std::byte* old_base = s.file->bytes().data();
  for (Run& r : s.runs)  // the map may have moved
    r.encoded = mapped->bytes().subspan(static_cast<size_t>(r.encoded.data() - old_base), r.encoded.size());
  s.file = std::move(mapped);
  s.read_frames();
  return s.position != before;
}

}  // namespace tidemark
