#include "executor/io/image_source.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "base/error.h"
#include "base/gzip.h"
#include "base/random.h"

namespace tidemark {
namespace {

constexpr const char* kWhat = "cannot read images";
constexpr const char* kRemedy = "give an IDX file of unsigned bytes in three dimensions, such as MNIST's";

std::string resolve(const std::string& path, const std::string& part) {
  namespace fs = std::filesystem;
  if (!fs::is_directory(path)) return path;
  const std::string ending = part + ".idx3-ubyte";
  std::vector<std::string> found;
  for (const auto& entry : fs::directory_iterator(path)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(ending) || name.ends_with(ending + ".gz")) found.push_back(entry.path().string());
  }
  if (found.size() != 1)
    throw Error(kWhat, path,
                found.empty() ? "no file's name ends in " + ending + " or " + ending + ".gz"
                              : "several files' names end in " + ending,
                "name one file, or a folder with one for each part");
  return found.front();
}

/// Fills `out`, or throws.
void read_all(GzipReader& file, std::span<uint8_t> out, const std::string& path) {
  if (file.read(std::as_writable_bytes(out)) < out.size())
    throw Error(kWhat, path, "it is cut off", "copy it again");
}

int64_t big_endian(const uint8_t* p) {
  return int64_t{p[0]} << 24 | int64_t{p[1]} << 16 | int64_t{p[2]} << 8 | int64_t{p[3]};
}

}  // namespace

ImageSource::ImageSource(const std::string& path, const std::string& part) : path_(resolve(path, part)) {
  GzipReader file(path_, kWhat);
  std::array<uint8_t, 16> header;
  read_all(file, header, path_);
  constexpr int64_t kBytesInThreeDimensions = 0x803;
  if (big_endian(header.data()) != kBytesInThreeDimensions)
    throw Error(kWhat, path_, "its first four bytes are not 00 00 08 03", kRemedy);
  images_ = big_endian(header.data() + 4);
  height_ = big_endian(header.data() + 8);
  width_ = big_endian(header.data() + 12);
  constexpr int64_t kMostPixels = 1 << 20, kMostBytes = int64_t{1} << 36;
  if (images_ < 1 || height_ < 1 || width_ < 1 || height_ > kMostPixels / width_ ||
      images_ > kMostBytes / pixels())
    throw Error(kWhat, path_,
                "its header says " + std::to_string(images_) + " images of " + std::to_string(height_) +
                    " x " + std::to_string(width_),
                kRemedy);
  data_.resize(static_cast<size_t>(images_ * pixels()));
  read_all(file, data_, path_);
  if (std::byte more; file.read({&more, 1}) > 0)
    throw Error(kWhat, path_, "it goes on after its last image", "copy it again");
  if (std::any_of(data_.begin(), data_.end(), [](uint8_t v) { return v > 1; }))
    for (uint8_t& value : data_) value = value >> 7;
}

ImageSource ImageSource::synthetic(int64_t pixels) {
  ImageSource source;
  source.path_ = "random images";
  source.images_ = 1024;
  source.height_ = 1;
  source.width_ = pixels;
  source.data_.resize(static_cast<size_t>(source.images_ * pixels));
  for (size_t i = 0; i < source.data_.size(); ++i) source.data_[i] = splitmix64(i) >> 63;
  return source;
}

}  // namespace tidemark
