// Files that may be gzipped: read whatever they are, written as their name says.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/file.h"

namespace tidemark {

/// A file read from its beginning to its end, inflated where it is gzipped.
class GzipReader {
 public:
  /// Throws Error (`what` says what was being done) if it cannot be opened.
  GzipReader(const std::string& path, const std::string& what);
  ~GzipReader();
  GzipReader(const GzipReader&) = delete;
  GzipReader& operator=(const GzipReader&) = delete;

  /// Fills `out`; less only at the end of the file. Throws Error where the compressed data is damaged or
  /// cut off.
  size_t read(std::span<std::byte> out);

 private:
  struct State;
  std::string path_, what_;
  std::unique_ptr<State> state_;
};

/// Text that takes the place of `path` at commit(), gzipped if the name ends in ".gz". Memory is bounded.
class GzipWriter {
 public:
  GzipWriter(const std::string& path, const std::string& what);
  ~GzipWriter();
  GzipWriter(const GzipWriter&) = delete;
  GzipWriter& operator=(const GzipWriter&) = delete;

  void write(std::string_view text);
  void commit();

 private:
  struct Deflater;
  void flush(bool last);

  AtomicFile file_;
  std::unique_ptr<Deflater> deflater_;  ///< none: plain text
  std::string pending_;
};

}  // namespace tidemark
