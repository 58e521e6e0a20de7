#include "profiler/trace_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "profiler/trace_format.h"
#include "profiler/trace_tables.h"

namespace tidemark {
namespace {

using nlohmann::json;

template <typename Row>
TraceRows<Row> rows_of(const std::vector<Row>& rows) {
  return {rows.size(), [&rows](size_t i) { return rows[i]; }};
}

/// What is written at a time of the tables: of most traces all.
constexpr size_t kPieceBytes = size_t{1} << 20;

}  // namespace

TraceWriter::TraceWriter(const std::string& path, const json& metadata,
                         const std::vector<TraceBuffer>& buffers, const std::vector<ProgramStep>& program)
    : TraceWriter(path, metadata, rows_of(buffers), rows_of(program)) {}

TraceWriter::TraceWriter(const std::string& path, const json& metadata, const TraceRows<TraceBuffer>& buffers,
                         const TraceRows<ProgramStep>& program)
    : path_(path) {
  // Truncating the old file would pull it from under the readers that have it mapped.
  struct stat status = {};
  if (lstat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode)) unlink(path.c_str());
  descriptor_ = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor_ < 0)
    throw Error("cannot write the trace", path, std::strerror(errno), "choose another place",
                ExitCode::failure);
  // Two varints of at most ten bytes each per op.
  frame_.reserve(
      std::max(sizeof(tide::FrameHeader) + sizeof(tide::RunHeader) + 20 * program.count, 2 * kPieceBytes));
  const uint32_t version[2] = {tide::kVersion, 0};
  put(tide::kMagic, sizeof tide::kMagic);
  put(version, sizeof version);
  tide::TablesEncoder tables(
      [&](tide::FrameType type, std::span<const std::byte> payload) {
        const size_t header = begin_frame();
        put(payload.data(), payload.size());
        end_frame(header, type);
        if (frame_.size() >= kPieceBytes) write_out();
      },
      metadata, program.count, buffers.count);
  for (size_t i = 0; i < program.count; ++i) tables.add(program.at(i));
  for (size_t i = 0; i < buffers.count; ++i) tables.add(buffers.at(i));
  tables.finish();
  write_out();
}

TraceWriter::~TraceWriter() {
  close(descriptor_);
}

void TraceWriter::put(const void* data, size_t bytes) {
  const auto* begin = static_cast<const std::byte*>(data);
  frame_.insert(frame_.end(), begin, begin + bytes);
}

size_t TraceWriter::begin_frame() {
  const size_t header = frame_.size();
  frame_.resize(header + sizeof(tide::FrameHeader));
  return header;
}

/// Fills in the header of the frame that begins at `header`.
void TraceWriter::end_frame(size_t header, uint32_t type) {
  const std::span<const std::byte> payload = std::span(frame_).subspan(header + sizeof(tide::FrameHeader));
  if (payload.size() > UINT32_MAX)
    throw Error("cannot write the trace", path_, "a record takes more than 4 GiB", "record a shorter run");
  const tide::FrameHeader h{type, static_cast<uint32_t>(payload.size()), tide::checksum(type, payload)};
  std::memcpy(frame_.data() + header, &h, sizeof h);
}

void TraceWriter::write_out() {
  const std::byte* next = frame_.data();
  size_t left = frame_.size();
  while (left > 0) {
    const ssize_t written = write(descriptor_, next, left);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0)
      throw Error("cannot write the trace", path_, std::strerror(errno),
                  "what was written so far can be read; free some space", ExitCode::failure);
    next += written;
    left -= static_cast<size_t>(written);
  }
  frame_.clear();
}

void TraceWriter::run(int64_t training_step, int32_t micro_batch, int32_t first,
                      std::span<const TimeSpan> times) {
  if (times.empty()) return;
  const tide::RunHeader header{
      training_step, times.front().start_ns, micro_batch, first, static_cast<int32_t>(times.size()), 0};
  frame_.clear();  // of what could not be written
  const size_t frame = begin_frame();
  put(&header, sizeof header);
  int64_t end = header.start_ns;
  for (const TimeSpan& t : times) {
    tide::put_varint(frame_, static_cast<uint64_t>(t.start_ns - end));
    tide::put_varint(frame_, static_cast<uint64_t>(t.end_ns - t.start_ns));
    end = t.end_ns;
  }
  end_frame(frame, tide::kRun);
  write_out();
}

void TraceWriter::step(const TrainingStep& step) {
  static_assert(sizeof(TrainingStep) == tide::kStepBytes);
  frame_.clear();  // of what could not be written
  const size_t frame = begin_frame();
  put(&step, sizeof step);
  end_frame(frame, tide::kStep);
  write_out();
}

}  // namespace tidemark
