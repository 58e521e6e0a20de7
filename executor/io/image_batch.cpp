#include "executor/io/image_batch.h"

#include "base/random.h"
#include "executor/io/stored_type.h"

namespace tidemark {
namespace {

template <typename T>
void copy_pixels(std::span<const uint8_t> image, T one, T* out) {
  for (size_t i = 0; i < image.size(); ++i) out[i] = image[i] ? one : T{0};
}

}  // namespace

ImageBatchMaker::ImageBatchMaker(std::shared_ptr<const ImageSource> source, std::optional<uint64_t> seed)
    : source_(std::move(source)), seed_(seed) {}

int64_t ImageBatchMaker::image_at(int64_t place) const {
  const auto n = static_cast<uint64_t>(source_->size());
  const uint64_t epoch = static_cast<uint64_t>(place) / n, within = static_cast<uint64_t>(place) % n;
  return static_cast<int64_t>(seed_ ? permuted(within, n, random_at({*seed_, epoch})) : within);
}

void ImageBatchMaker::fill(int64_t batch, const TensorSlot& x) const {
  const int64_t rows = x.type.shape[0], pixels = x.type.shape[1];
  for (int64_t row = 0; row < rows; ++row) {
    const auto image = (*source_)[image_at(batch * rows + row)];
    if (x.type.dtype == DType::bf16)
      copy_pixels(image, bfloat16_from(1), static_cast<uint16_t*>(x.data) + row * pixels);
    else
      copy_pixels(image, 1.0f, static_cast<float*>(x.data) + row * pixels);
  }
}

}  // namespace tidemark
