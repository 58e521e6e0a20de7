#include "base/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <future>
#include <thread>
#include <utility>

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

namespace {

/// What is deflated at a time, and how much of what is before it a piece may refer to.
constexpr size_t kPiece = 1 << 20, kWindow = 1 << 15;
/// The highest that is not much slower than the lowest.
constexpr int kLevel = 3;

struct DeflatedPiece {
  std::string bytes;
  uLong crc = 0;  ///< of the text
  size_t size = 0;
};

/// Pieces joined are one stream: each but the last ends where a byte does.
DeflatedPiece deflate_piece(const std::string& text, const std::string& before, bool last) {
  DeflatedPiece piece{.bytes = {},
                      .crc = crc32_z(0, reinterpret_cast<const Bytef*>(text.data()), text.size()),
                      .size = text.size()};
  z_stream z = {};
  constexpr int kRaw = -15, kMemory = 8;
  if (deflateInit2(&z, kLevel, Z_DEFLATED, kRaw, kMemory, Z_DEFAULT_STRATEGY) != Z_OK) throw std::bad_alloc();
  if (!before.empty())
    deflateSetDictionary(&z, reinterpret_cast<const Bytef*>(before.data()), static_cast<uInt>(before.size()));
  piece.bytes.resize(deflateBound(&z, text.size()) + 64);  // and the marks between pieces
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  z.avail_in = static_cast<uInt>(text.size());
  z.next_out = reinterpret_cast<Bytef*>(piece.bytes.data());
  z.avail_out = static_cast<uInt>(piece.bytes.size());
  deflate(&z, last ? Z_FINISH : Z_SYNC_FLUSH);
  piece.bytes.resize(z.total_out);
  deflateEnd(&z);
  return piece;
}

}  // namespace

/// Deflating takes longer than making what is deflated, so several pieces are at a time.
struct GzipWriter::Deflater {
  std::deque<std::future<DeflatedPiece>> pieces;
  std::string before;
  uLong crc = 0;
  uint64_t size = 0;

  static size_t most_pieces() { return std::clamp(std::thread::hardware_concurrency(), 1u, 8u) + 1; }

  void add(std::string text, bool last) {
    std::string next = text.size() > kWindow ? text.substr(text.size() - kWindow) : text;
    pieces.push_back(std::async(std::launch::async | std::launch::deferred, deflate_piece, std::move(text),
                                std::exchange(before, std::move(next)), last));
  }
  void take(AtomicFile& to) {
    const DeflatedPiece piece = pieces.front().get();
    pieces.pop_front();
    crc = crc32_combine(crc, piece.crc, static_cast<z_off_t>(piece.size));
    size += piece.size;
    to.write(std::as_bytes(std::span(piece.bytes)));
  }
};

GzipWriter::GzipWriter(const std::string& path, const std::string& what) : file_(path, what) {
  if (!path.ends_with(".gz")) return;
  deflater_ = std::make_unique<Deflater>();
  constexpr char kHeader[] = {'\x1f', '\x8b', Z_DEFLATED, 0, 0, 0, 0, 0, 0, '\x03'};
  file_.write(std::as_bytes(std::span(kHeader)));
}

GzipWriter::~GzipWriter() = default;

void GzipWriter::write(std::string_view text) {
  pending_ += text;
  if (pending_.size() >= (deflater_ ? kPiece : kBuffer)) flush(false);
}

void GzipWriter::flush(bool last) {
  if (!deflater_) {
    file_.write(std::as_bytes(std::span(pending_)));
    pending_.clear();
    return;
  }
  deflater_->add(std::exchange(pending_, {}), last);
  while (deflater_->pieces.size() >= (last ? 1 : Deflater::most_pieces())) deflater_->take(file_);
}

void GzipWriter::commit() {
  flush(true);
  if (deflater_) {
    const uint32_t trailer[2] = {static_cast<uint32_t>(deflater_->crc),
                                 static_cast<uint32_t>(deflater_->size)};
    file_.write(std::as_bytes(std::span(trailer)));
  }
  file_.commit();
}

}  // namespace tidemark
