#include "profiler/trace.h"

#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "profiler/trace_format.h"
#include "profiler/trace_tables.h"

namespace tidemark {
namespace {

using nlohmann::json;

template <typename T>
T read_as(std::span<const std::byte> bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

}  // namespace

struct Trace::State {
  std::string path;
  std::unique_ptr<MappedFile> file;
  uint32_t version = 0;
  tide::Tables tables;
  tide::TablesDecoder decoder{path, tables};
  std::vector<Run> runs;
  std::vector<TrainingStep> steps;
  std::string damage;
  size_t position = 0;    ///< of the next frame
  size_t tables_end = 0;  ///< where the first frame after the tables begins

  void read_frames();
  bool read_frame(uint32_t type, std::span<const std::byte> payload);
  bool read_tables(uint32_t type, std::span<const std::byte> payload);
  bool read_run(std::span<const std::byte> payload);
  bool same_tables(std::span<const std::byte> other) const;
};

bool Trace::State::read_tables(uint32_t type, std::span<const std::byte> payload) {
  if (version != tide::kOneFrame) return decoder.read(type, payload);
  if (type != tide::kTables) return false;
  decoder.read_one_frame(payload);
  return true;
}

bool Trace::State::read_run(std::span<const std::byte> payload) {
  if (payload.size() < sizeof(tide::RunHeader)) return false;
  const auto h = read_as<tide::RunHeader>(payload);
  if (h.first < 0 || h.count <= 0 || h.first > static_cast<int32_t>(tables.program.size()) - h.count)
    return false;
  runs.push_back({h.training_step, h.micro_batch, h.first, h.count, h.start_ns,
                  payload.subspan(sizeof(tide::RunHeader))});
  return true;
}

bool Trace::State::read_frame(uint32_t type, std::span<const std::byte> payload) {
  if (!decoder.complete()) {
    if (!read_tables(type, payload)) return false;
    tables_end = static_cast<size_t>(payload.data() - file->bytes().data()) + payload.size();
    return true;
  }
  if (type == tide::kRun) return read_run(payload);
  if (type != tide::kStep || payload.size() != tide::kStepBytes) return false;
  steps.push_back(read_as<TrainingStep>(payload));
  return true;
}

/// Whether the frames of the tables are these ones, by their checksums.
bool Trace::State::same_tables(std::span<const std::byte> other) const {
  const std::span<const std::byte> own = file->bytes();
  const auto differ = [&](size_t at, size_t count) {
    return std::memcmp(own.data() + at, other.data() + at, count) != 0;
  };
  if (other.size() < tables_end || differ(0, tide::kFileHeaderBytes)) return false;
  for (size_t at = tide::kFileHeaderBytes; at < tables_end;) {
    if (differ(at, sizeof(tide::FrameHeader))) return false;
    at += sizeof(tide::FrameHeader) + read_as<tide::FrameHeader>(own.subspan(at)).bytes;
  }
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
    if (!read_frame(header.type, payload)) {
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
    throw Error(
        "cannot read the trace", path, "it is not a .tide trace",
        "record one with 'tidemark profile --out', or make one of a recording with 'tidemark import'");
  s.version = read_as<uint32_t>(all.subspan(sizeof tide::kMagic));
  if (s.version != tide::kVersion && s.version != tide::kOneFrame)
    throw tide::unreadable(path, "it is of version " + std::to_string(s.version) +
                                     ", this program reads versions " + std::to_string(tide::kOneFrame) +
                                     " and " + std::to_string(tide::kVersion));
  s.position = tide::kFileHeaderBytes;
  s.read_frames();
  if (!s.decoder.complete())
    throw tide::unreadable(path, "it ends before its tables" + (s.damage.empty() ? "" : ": " + s.damage));
}

Trace::~Trace() = default;
Trace::Trace(Trace&&) noexcept = default;

const std::string& Trace::path() const {
  return state_->path;
}
const json& Trace::metadata() const {
  return state_->tables.metadata;
}
const std::vector<TraceBuffer>& Trace::buffers() const {
  return state_->tables.buffers;
}
const std::vector<ProgramStep>& Trace::program() const {
  return state_->tables.program;
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
  if (mapped->bytes().size() < before) throw tide::unreadable(s.path, "it was cut while it was read");
  if (!s.same_tables(mapped->bytes())) throw tide::unreadable(s.path, "another one has taken its place");
  const std::byte* old_base = s.file->bytes().data();
  for (Run& r : s.runs)  // the map may have moved
    r.encoded = mapped->bytes().subspan(static_cast<size_t>(r.encoded.data() - old_base), r.encoded.size());
  s.file = std::move(mapped);
  s.read_frames();
  return s.position != before;
}

}  // namespace tidemark
