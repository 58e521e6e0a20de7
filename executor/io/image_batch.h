// Batches of binary images.
#pragma once

#include <memory>
#include <optional>

#include "executor/io/checkpoint.h"
#include "executor/io/image_source.h"

namespace tidemark {

/// Fills [images, pixels] batches. What batch number `batch` holds depends on the seed and the number alone.
class ImageBatchMaker {
 public:
  /// With a seed: every image once per epoch, each time in a new order. Without: in the file's order, again
  /// from the start where it ends.
  ImageBatchMaker(std::shared_ptr<const ImageSource> source, std::optional<uint64_t> seed);

  const ImageSource& source() const { return *source_; }

  /// `x`: the input's place, f32 or bf16. Allocates nothing.
  void fill(int64_t batch, const TensorSlot& x) const;

 private:
  int64_t image_at(int64_t place) const;

  std::shared_ptr<const ImageSource> source_;
  std::optional<uint64_t> seed_;
};

}  // namespace tidemark
