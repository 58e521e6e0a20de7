#include "profiler/trace_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "profiler/trace_format.h"

namespace tidemark {
namespace {

using nlohmann::json;

/// Names from elsewhere need not be UTF-8.
std::string text_of(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

/// A row at a time: imports have millions.
std::string tables(const json& metadata, const std::vector<TraceBuffer>& buffers,
                   const std::vector<ProgramStep>& program) {
  std::string text = "{\"buffers\":[";
  for (const TraceBuffer& b : buffers) {
    if (&b != buffers.data()) text += ',';
    text += text_of({b.name, b.type, b.op, b.module, name_of(b.category), b.bytes, b.offset, b.first_step,
                     b.last_step, b.persistent});
  }
  text += "],\"metadata\":" + text_of(metadata) + ",\"program\":[";
  for (const ProgramStep& s : program) {
    if (&s != program.data()) text += ',';
    text += text_of({s.op, s.kind, s.module, name_of(s.phase), s.recompute});
  }
  return text + "]}";
}

}  // namespace

TraceWriter::TraceWriter(const std::string& path, const json& metadata,
                         const std::vector<TraceBuffer>& buffers, const std::vector<ProgramStep>& program)
    : path_(path) {
  // Truncating the old file would pull it from under the readers that have it mapped.
  struct stat status = {};
  if (lstat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode)) unlink(path.c_str());
  descriptor_ = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor_ < 0)
    throw Error("cannot write the trace", path, std::strerror(errno), "choose another place",
                ExitCode::failure);
  const std::string text = tables(metadata, buffers, program);
  if (text.size() > UINT32_MAX)
    throw Error("cannot write the trace", path, "its tables take more than 4 GiB", "record a shorter run");
  // Two varints of at most ten bytes each per op.
  frame_.reserve(sizeof(tide::FrameHeader) + sizeof(tide::RunHeader) + 20 * program.size() + text.size() +
                 tide::kFileHeaderBytes);
  const uint32_t version[2] = {tide::kVersion, 0};
  put(tide::kMagic, sizeof tide::kMagic);
  put(version, sizeof version);
  const size_t header = frame_.size();
  frame_.resize(header + sizeof(tide::FrameHeader));
  put(text.data(), text.size());
  seal(header, tide::kTables);
}

TraceWriter::~TraceWriter() {
  close(descriptor_);
}

void TraceWriter::put(const void* data, size_t bytes) {
  const auto* begin = static_cast<const std::byte*>(data);
  frame_.insert(frame_.end(), begin, begin + bytes);
}

void TraceWriter::put_varint(uint64_t value) {
  while (value >= 0x80) {
    frame_.push_back(static_cast<std::byte>(value | 0x80));
    value >>= 7;
  }
  frame_.push_back(static_cast<std::byte>(value));
}

/// Fills in the header of the frame that begins at `header` and writes all that is pending.
void TraceWriter::seal(size_t header, uint32_t type) {
  const std::span<const std::byte> payload(frame_.data() + header + sizeof(tide::FrameHeader),
                                           frame_.size() - header - sizeof(tide::FrameHeader));
  const tide::FrameHeader h{type, static_cast<uint32_t>(payload.size()), tide::checksum(type, payload)};
  std::memcpy(frame_.data() + header, &h, sizeof h);
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
  frame_.resize(sizeof(tide::FrameHeader));
  put(&header, sizeof header);
  int64_t end = header.start_ns;
  for (const TimeSpan& t : times) {
    put_varint(static_cast<uint64_t>(t.start_ns - end));
    put_varint(static_cast<uint64_t>(t.end_ns - t.start_ns));
    end = t.end_ns;
  }
  seal(0, tide::kRun);
}

void TraceWriter::step(const TrainingStep& step) {
  static_assert(sizeof(TrainingStep) == tide::kStepBytes);
  frame_.resize(sizeof(tide::FrameHeader));
  put(&step, sizeof step);
  seal(0, tide::kStep);
}

}  // namespace tidemark
