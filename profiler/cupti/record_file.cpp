#include "profiler/cupti/record_file.h"

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "profiler/cupti/decoder.h"

namespace tidemark {
namespace {

/// The texts follow, of each its length (-1: none) and its characters.
struct Head {
  uint32_t version = 0, bytes = 0;
};

/// Where a record points to texts that the decoder reads.
std::vector<size_t> texts_of(CUpti_ActivityKind kind, uint32_t version) {
  switch (kind) {
    case CUPTI_ACTIVITY_KIND_KERNEL:
    case CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL: return {offsetof(CUpti_ActivityKernel9, name)};
    case CUPTI_ACTIVITY_KIND_MARKER: return {offsetof(CUpti_ActivityMarker2, name)};
    case CUPTI_ACTIVITY_KIND_MEMORY2:
      if (version >= kCuptiWithSources) return {sizeof(CUpti_ActivityMemory3)};
      return {};
    default: return {};
  }
}

}  // namespace

RecordWriter::RecordWriter(const std::string& path, uint32_t version)
    : path_(path), version_(version), file_(std::fopen(path.c_str(), "wbe")) {
  if (!file_) throw Error("cannot keep CUPTI's records", path, std::strerror(errno), {}, ExitCode::failure);
}

RecordWriter::~RecordWriter() {
  std::fclose(file_);
}

void RecordWriter::add(const CUpti_Activity& record, size_t bytes) {
  if (++kept_[record.kind] > kOfEachKind) return;
  const auto* raw = reinterpret_cast<const char*>(&record);
  const Head head{version_, static_cast<uint32_t>(bytes)};
  std::fwrite(&head, sizeof head, 1, file_);
  std::fwrite(raw, bytes, 1, file_);
  for (const size_t at : texts_of(record.kind, version_)) {
    const char* text = nullptr;
    std::memcpy(&text, raw + at, sizeof text);
    const auto length = static_cast<int32_t>(text ? std::strlen(text) : -1);
    std::fwrite(&length, sizeof length, 1, file_);
    if (length > 0) std::fwrite(text, static_cast<size_t>(length), 1, file_);
  }
  std::fflush(file_);  // the program may be killed
}

void read_records(const std::string& path,
                  const std::function<void(const CUpti_Activity&, uint32_t version)>& take) {
  constexpr const char* kWhat = "cannot read CUPTI's records";
  const MappedFile file(path, kWhat);
  std::span<const std::byte> rest = file.bytes();
  const auto read = [&](void* to, size_t bytes) {
    if (rest.size() < bytes) throw Error(kWhat, path, "it is cut off");
    std::memcpy(to, rest.data(), bytes);
    rest = rest.subspan(bytes);
  };
  while (!rest.empty()) {
    Head head;
    read(&head, sizeof head);
    if (head.bytes < sizeof(CUpti_Activity) || head.bytes > 4096)
      throw Error(kWhat, path, "a record's size cannot be");
    alignas(8) char record[4096] = {};
    read(record, head.bytes);
    const auto& activity = reinterpret_cast<const CUpti_Activity&>(record);
    std::vector<std::string> texts;
    texts.reserve(2);
    for (const size_t at : texts_of(activity.kind, head.version)) {
      int32_t length = -1;
      read(&length, sizeof length);
      const char* text = nullptr;
      if (length >= 0) {
        texts.emplace_back(static_cast<size_t>(length), '\0');
        read(texts.back().data(), texts.back().size());
        text = texts.back().c_str();
      }
      std::memcpy(record + at, &text, sizeof text);
    }
    take(activity, head.version);
  }
}

}  // namespace tidemark
