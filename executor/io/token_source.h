// A corpus as token ids: UTF-8 text as bytes, or ids that a tokenizer left in a .bin or .npy file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"

namespace tidemark {

/// Where sequences may begin when documents are packed (BatchMaker).
enum class DocumentUnit : uint8_t {
  line,       ///< text: each line, with its newline
  paragraph,  ///< text: up to and with the empty line after it
  separator,  ///< ids: up to and with the separator token
};

/// `.npy`: one dimension of u1, u2, u4, i4 or i8, little-endian. `.bin`: raw uint16 or uint32; which, says
/// `"dtype"` in a JSON file beside it (`train.bin.json`), else the vocabulary: uint16 holds up to 65,536.
/// Anything else: text, one token per byte.
///
/// The whole corpus is checked at once: Error names the file and the byte that is not UTF-8, or the
/// position of the id outside the vocabulary. The file stays mapped.
class TokenSource {
 public:
  TokenSource(const std::string& path, int64_t vocabulary);

  /// Random ids, the same ones every time, in documents of about a hundred tokens that end with id 0: for
  /// measurements, in which the tokens do not matter.
  static TokenSource synthetic(int64_t vocabulary);

  int64_t size() const { return size_; }
  int32_t operator[](int64_t i) const;
  bool is_text() const { return text_; }
  const std::string& path() const { return path_; }

  /// First tokens of the documents, ascending from 0. Throws Error where the unit does not suit the source.
  std::vector<int64_t> documents(DocumentUnit unit, int32_t separator = -1) const;

 private:
  enum class Storage : uint8_t { u8, u16, u32, i32, i64, random };
  TokenSource() = default;
  void open_text();
  void open_bin();
  void open_npy();
  int64_t raw(int64_t i) const;

  std::string path_;
  std::optional<MappedFile> file_;
  int64_t vocabulary_ = 0;
  const std::byte* data_ = nullptr;
  int64_t size_ = 0;
  Storage storage_ = Storage::u8;
  bool text_ = false;
};

/// The first byte that is not part of valid UTF-8 (RFC 3629), or -1.
int64_t find_invalid_utf8(std::span<const std::byte> text);

}  // namespace tidemark
