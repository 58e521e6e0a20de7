// Binary images from IDX files (http://yann.lecun.com/exdb/mnist), gzipped or not.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tidemark {

/// Images whose pixels are 0 or 1. Grey ones (any value above 1) are cut at half: 128 and more is 1.
class ImageSource {
 public:
  /// `path`: an IDX file of unsigned bytes in three dimensions [images, height, width]; or a folder with one
  /// file whose name ends in `PART.idx3-ubyte` or `PART.idx3-ubyte.gz` (part: train, valid, test). Throws
  /// Error naming the file that is missing, cut off or of another kind.
  ImageSource(const std::string& path, const std::string& part);

  /// Random pixels, the same ones every time: for measurements, in which the images do not matter.
  static ImageSource synthetic(int64_t pixels);

  int64_t size() const { return images_; }
  int64_t height() const { return height_; }
  int64_t width() const { return width_; }
  int64_t pixels() const { return height_ * width_; }
  const std::string& path() const { return path_; }

  std::span<const uint8_t> operator[](int64_t i) const {
    return std::span(data_).subspan(static_cast<size_t>(i * pixels()), static_cast<size_t>(pixels()));
  }

 private:
  ImageSource() = default;

  std::string path_;
  int64_t images_ = 0, height_ = 0, width_ = 0;
  std::vector<uint8_t> data_;
};

}  // namespace tidemark
