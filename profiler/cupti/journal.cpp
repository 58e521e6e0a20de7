#include "profiler/cupti/journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

#include "base/error.h"
#include "base/file.h"

namespace tidemark {
namespace {

using nlohmann::json;

enum FrameType : uint32_t { kMetadata = 1, kName, kEvents, kEnd };

struct Frame {
  uint32_t type = 0, bytes = 0;
};

constexpr size_t kEventsOfFrame = 1 << 16;
static_assert(std::is_trivially_copyable_v<CudaEvent>);

}  // namespace

JournalWriter::~JournalWriter() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void JournalWriter::open(const std::string& path, const json& metadata) {
  path_ = path;
  begin_ = metadata.dump(-1, ' ', false, json::error_handler_t::replace);
}

void JournalWriter::write(uint32_t type, const void* bytes, size_t count) {
  const Frame frame{type, static_cast<uint32_t>(count)};
  std::string all(reinterpret_cast<const char*>(&frame), sizeof frame);
  all.append(static_cast<const char*>(bytes), count);
  for (size_t done = 0; done < all.size();) {
    const ssize_t written = ::write(descriptor_, all.data() + done, all.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0)
      throw Error("cannot record", path_, std::strerror(errno), "what was recorded so far is shown",
                  ExitCode::failure);
    done += static_cast<size_t>(written);
  }
}

void JournalWriter::append(CudaEventLog& log) {
  if (log.events().empty()) return;
  if (descriptor_ < 0) {
    descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor_ < 0) throw Error("cannot record", path_, std::strerror(errno), {}, ExitCode::failure);
    write(kMetadata, begin_.data(), begin_.size());
  }
  for (; names_ < log.names(); ++names_) {
    const std::string& name = log.name(static_cast<uint32_t>(names_));
    write(kName, name.data(), name.size());
  }
  const std::vector<CudaEvent>& events = log.events();
  for (size_t i = 0; i < events.size(); i += kEventsOfFrame)
    write(kEvents, &events[i], std::min(kEventsOfFrame, events.size() - i) * sizeof(CudaEvent));
  log.clear_events();
}

void JournalWriter::finish(const json& metadata) {
  if (descriptor_ < 0) return;
  const std::string text = metadata.dump();
  write(kEnd, text.data(), text.size());
}

Journal read_journal(const std::string& path) {
  const MappedFile file(path, "cannot read the recording");
  std::span<const std::byte> rest = file.bytes();
  Journal journal;
  Frame frame;
  while (rest.size() >= sizeof frame) {
    std::memcpy(&frame, rest.data(), sizeof frame);
    if (rest.size() - sizeof frame < frame.bytes) break;
    const std::span<const std::byte> payload = rest.subspan(sizeof frame, frame.bytes);
    const std::string_view text(reinterpret_cast<const char*>(payload.data()), payload.size());
    if (frame.type == kMetadata || frame.type == kEnd) journal.metadata.update(json::parse(text));
    if (frame.type == kName) journal.log.intern(std::string(text).c_str());
    if (frame.type == kEvents)
      for (size_t at = 0; at + sizeof(CudaEvent) <= payload.size(); at += sizeof(CudaEvent)) {
        CudaEvent event;
        std::memcpy(&event, payload.data() + at, sizeof event);
        if (event.name >= journal.log.names()) event.name = 0;
        journal.log.add(event);
      }
    journal.finished = frame.type == kEnd;
    rest = rest.subspan(sizeof frame + frame.bytes);
  }
  if (journal.metadata.is_null())
    throw Error("cannot read the recording", path, "its beginning is missing", {}, ExitCode::failure);
  return journal;
}

}  // namespace tidemark
