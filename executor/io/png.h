// Pictures of binary images.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace tidemark {

/// Writes images of height x width values from 0 (black) to 1 (white), one after another in `images`, as a
/// grey PNG: a grid of `columns`, every value a square of `scale` pixels. Throws Error where the disk
/// refuses.
void write_image_grid(const std::string& path, std::span<const float> images, int64_t height, int64_t width,
                      int64_t columns, int64_t scale);

}  // namespace tidemark
