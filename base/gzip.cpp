#include "base/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace tidemark {
namespace {

constexpr size_t kBuffer = 1 << 18;

}  // namespace

struct GzipReader::State {
  gzFile file = nullptr;
};

GzipReader::GzipReader(const std::string& path, const std::string& what)
    : path_(path), what_(what), state_(std::make_unique<State>()) {
  errno = 0;
  state_->file = gzopen(path.c_str(), "rb");
  if (!state_->file)
    throw Error(what, path, errno ? std::strerror(errno) : "it cannot be opened",
                "check the path and its permissions");
  gzbuffer(state_->file, kBuffer);
}

GzipReader::~GzipReader() {
  gzclose(state_->file);
}

size_t GzipReader::read(std::span<std::byte> out) {
  size_t done = 0;
  while (done < out.size()) {
    const size_t piece = std::min<size_t>(out.size() - done, 1 << 30);
    errno = 0;
    const int got = gzread(state_->file, out.data() + done, static_cast<unsigned>(piece));
    if (got < 0) {
      int error = 0;
      gzerror(state_->file, &error);
      if (error == Z_ERRNO) throw Error(what_, path_, std::strerror(errno), "name a file");
      throw Error(what_, path_, "the compressed data is damaged", "copy it again");
    }
    done += static_cast<size_t>(got);
    if (static_cast<size_t>(got) == piece) continue;
    int error = 0;
    gzerror(state_->file, &error);
    if (error == Z_BUF_ERROR) throw Error(what_, path_, "it is cut off", "copy it again");
    break;
  }
  return done;
}

struct GzipWriter::Deflater {
  z_stream stream = {};
  std::array<std::byte, kBuffer> out;
};

GzipWriter::GzipWriter(const std::string& path, const std::string& what) : file_(path, what) {
  if (!path.ends_with(".gz")) return;
  deflater_ = std::make_unique<Deflater>();
  constexpr int kGzip = 15 + 16, kMemory = 8;
  if (deflateInit2(&deflater_->stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzip, kMemory,
                   Z_DEFAULT_STRATEGY) != Z_OK)
    throw std::bad_alloc();
}

GzipWriter::~GzipWriter() {
  if (deflater_) deflateEnd(&deflater_->stream);
}

void GzipWriter::write(std::string_view text) {
  pending_ += text;
  if (pending_.size() >= kBuffer) flush(false);
}

void GzipWriter::flush(bool last) {
  if (!deflater_) {
    file_.write(std::as_bytes(std::span(pending_)));
  } else {
    z_stream& z = deflater_->stream;
    z.next_in = reinterpret_cast<Bytef*>(pending_.data());
    z.avail_in = static_cast<uInt>(pending_.size());
    do {
      z.next_out = reinterpret_cast<Bytef*>(deflater_->out.data());
      z.avail_out = static_cast<uInt>(deflater_->out.size());
      deflate(&z, last ? Z_FINISH : Z_NO_FLUSH);
      file_.write(std::span(deflater_->out).first(deflater_->out.size() - z.avail_out));
    } while (z.avail_out == 0);
  }
  pending_.clear();
}

void GzipWriter::commit() {
  flush(true);
  file_.commit();
}

}  // namespace tidemark
