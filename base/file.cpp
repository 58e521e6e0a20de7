#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/error.h"

namespace tidemark {
namespace {

std::string reason() {
  return std::strerror(errno);
}

std::string remedy_of(int error) {
  if (error == ENOSPC || error == EDQUOT) return "free some space or choose another disk";
  if (error == EFBIG) return "raise the limit on file sizes (ulimit -f)";
  return "check the path and its permissions";
}

std::string parent_of(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

}  // namespace

MappedFile::MappedFile(const std::string& path, const std::string& what) : path_(path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) throw Error(what, path, reason(), "check the path and its permissions");
  struct stat status = {};
  const bool regular = ::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
  if (regular && status.st_size > 0) {
    void* data = ::mmap(nullptr, static_cast<size_t>(status.st_size), PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (data != MAP_FAILED) {
      data_ = static_cast<const std::byte*>(data);
      size_ = static_cast<size_t>(status.st_size);
    }
  }
  const std::string why = reason();
  ::close(descriptor);
  if (!regular) throw Error(what, path, "not a regular file", "name a file");
  if (status.st_size > 0 && data_ == nullptr) throw Error(what, path, why, {}, ExitCode::failure);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

AtomicFile::AtomicFile(const std::string& path, const std::string& what) : path_(path), what_(what) {
  struct stat status = {};
  const bool special = ::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode);
  if (special) {
    descriptor_ = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  } else {
    for (int i = 0; descriptor_ < 0 && (i == 0 || errno == EEXIST); ++i) {
      temporary_ = path + ".partial-" + std::to_string(::getpid()) + "-" + std::to_string(i);
      descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    }
  }
  if (descriptor_ < 0) {
    temporary_.clear();
    fail({});
  }
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::fail(const std::string& part) const {
  const int error = errno;
  throw Error(what_, part.empty() ? path_ : path_ + ", " + part, std::strerror(error), remedy_of(error),
              ExitCode::failure);
}

void AtomicFile::write(std::span<const std::byte> bytes, const std::string& part) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(part);
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
}

void AtomicFile::commit() {
  if (!temporary_.empty() && ::fsync(descriptor_) != 0) fail("flushing");
  if (::close(std::exchange(descriptor_, -1)) != 0) fail("closing");
  if (temporary_.empty()) return;
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail("renaming");
  temporary_.clear();
  sync_directory(parent_of(path_), what_);
}

std::string read_text_file(const std::string& path, const std::string& what) {
  const MappedFile file(path, what);
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

void write_text_file(const std::string& path, const std::string& text, const std::string& what) {
  AtomicFile file(path, what);
  file.write(std::as_bytes(std::span(text)));
  file.commit();
}

void sync_directory(const std::string& directory, const std::string& what) {
  const int descriptor = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool done = descriptor >= 0 && (::fsync(descriptor) == 0 || errno == EINVAL);
  const int error = errno;
  if (descriptor >= 0) ::close(descriptor);
  if (!done) throw Error(what, directory, std::strerror(error), remedy_of(error), ExitCode::failure);
}

}  // namespace tidemark
