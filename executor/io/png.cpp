#include "executor/io/png.h"

#include <png.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/divided.h"
#include "base/error.h"

namespace tidemark {

void write_image_grid(const std::string& path, std::span<const float> images, int64_t height, int64_t width,
                      int64_t columns, int64_t scale) {
  constexpr int64_t kGap = 2;
  constexpr uint8_t kGapGrey = 96;
  const int64_t count = static_cast<int64_t>(images.size()) / (height * width);
  columns = std::min(columns, count);
  const int64_t rows = divided(count, columns);
  const int64_t cell_width = width * scale + kGap, cell_height = height * scale + kGap;
  const int64_t full_width = columns * cell_width + kGap, full_height = rows * cell_height + kGap;
  std::vector<uint8_t> grey(static_cast<size_t>(full_width * full_height), kGapGrey);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t left = kGap + i % columns * cell_width, top = kGap + i / columns * cell_height;
    for (int64_t y = 0; y < height * scale; ++y)
      for (int64_t x = 0; x < width * scale; ++x) {
        const float value = images[static_cast<size_t>((i * height + y / scale) * width + x / scale)];
        grey[static_cast<size_t>((top + y) * full_width + left + x)] =
            static_cast<uint8_t>(std::lround(255 * std::clamp(value, 0.0f, 1.0f)));
      }
  }
  png_image image = {};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(full_width);
  image.height = static_cast<png_uint_32>(full_height);
  image.format = PNG_FORMAT_GRAY;
  if (!png_image_write_to_file(&image, path.c_str(), 0, grey.data(), 0, nullptr))
    throw Error("cannot write the picture", path, image.message, "check the folder and the free space",
                ExitCode::failure);
}

}  // namespace tidemark
