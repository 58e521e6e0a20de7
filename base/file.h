// Files mapped for reading, and written so that no reader ever sees half of one.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace tidemark {

/// A whole file mapped read-only. Throws Error (`what` says what was being done) if it cannot be.
class MappedFile {
 public:
  MappedFile(const std::string& path, const std::string& what);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

/// Writes beside `path` and takes its place at commit(), when everything is on the disk. Without a
/// commit the old file stays and the new one vanishes. A device or pipe is written directly.
class AtomicFile {
 public:
  AtomicFile(const std::string& path, const std::string& what);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// `part` names in an error what was being written: a tensor, a field.
  void write(std::span<const std::byte> bytes, const std::string& part = {});
  void commit();

 private:
  [[noreturn]] void fail(const std::string& part) const;

  std::string path_, what_;
  std::string temporary_;  ///< empty where `path` is not a regular file
  int descriptor_ = -1;
};

std::string read_text_file(const std::string& path, const std::string& what);
void write_text_file(const std::string& path, const std::string& text, const std::string& what);

/// Makes the names in a directory durable (fsync).
void sync_directory(const std::string& directory, const std::string& what);

}  // namespace tidemark
