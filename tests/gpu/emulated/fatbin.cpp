#include "tests/gpu/emulated/fatbin.h"

#include <zstd.h>

#include <cstdint>
#include <cstring>

#include "tests/gpu/emulated/fault.h"

namespace tidemark::emulated {
namespace {

// <fatbinary_section.h> of the toolkit has the wrapper; what it points to is read off programs that nvcc 12.4
// to 13.0 made: a header, and entries with a header each.
struct Wrapper {
  int32_t magic, version;
  const char* data;
};
struct Header {
  uint32_t magic;
  uint16_t version, header_bytes;
  uint64_t bytes;
};
struct Entry {
  uint16_t kind, version;
  uint32_t header_bytes;
  uint64_t bytes;  ///< of what follows the header, padded
  uint32_t compressed_bytes;
};
constexpr uint32_t kMagic = 0xba55ed50;
constexpr uint16_t kPtx = 1;

std::string decompress(const char* data, size_t bytes) {
  const unsigned long long whole = ZSTD_getFrameContentSize(data, bytes);
  if (whole == ZSTD_CONTENTSIZE_ERROR || whole == ZSTD_CONTENTSIZE_UNKNOWN) return {};
  std::string text(whole, '\0');
  const size_t made = ZSTD_decompress(text.data(), text.size(), data, bytes);
  if (ZSTD_isError(made)) return {};
  text.resize(std::strlen(text.c_str()));  // it ends with a zero
  return text;
}

}  // namespace

std::string ptx_of(const void* fatbin_wrapper) {
  const char* at = static_cast<const Wrapper*>(fatbin_wrapper)->data;
  Header header;
  std::memcpy(&header, at, sizeof header);
  if (header.magic != kMagic) throw Fault(FaultKind::unsupported, "a device binary of another form");
  const char* const end = at + header.header_bytes + header.bytes;
  for (at += header.header_bytes; at < end;) {
    Entry entry;
    std::memcpy(&entry, at, sizeof entry);
    const char* const data = at + entry.header_bytes;
    if (entry.kind == kPtx) {
      std::string text = entry.compressed_bytes > 0 ? decompress(data, entry.compressed_bytes)
                                                    : std::string(data, strnlen(data, entry.bytes));
      if (text.empty()) throw Fault(FaultKind::unsupported, "PTX compressed by another method than zstd");
      return text;
    }
    at = data + entry.bytes;
  }
  throw Fault(FaultKind::unsupported,
              "a device binary without PTX: build for an architecture such as 90, not 90-real alone");
}

}  // namespace tidemark::emulated
