// What a model of images is asked once it is trained: how likely images are, and for new ones.
#pragma once

#include <cstdint>
#include <vector>

#include "executor/io/image_batch.h"
#include "executor/runtime/runtime.h"
#include "models/model.h"

namespace tidemark {

/// A forward pass in f32 of `images` images, with the logits and -log p of each image among its outputs.
Graph density_graph(const Model& model, int64_t images);

struct DensityEstimate {
  int64_t images = 0, orderings = 0;
  double nll = 0;         ///< nats an image; of an ensemble, p is the mean of its models' p
  double single_nll = 0;  ///< the mean of the models' own
};

/// Over all images in the order of the file, each under the first `orderings` models of the ensemble (Germain
/// et al. 2015, section 4.2). `runtime` runs a density_graph whose parameters are filled.
DensityEstimate estimate_density(Runtime& runtime, const Model& model, const ImageBatchMaker& images,
                                 int64_t orderings, int64_t limit);

/// As many images as the graph takes at once, [images, pixels] of 0 and 1: pixel after pixel in the model's
/// order, each drawn given those before it (ancestral sampling). Image i depends on the seed and i alone.
std::vector<float> sample_images(Runtime& runtime, const Model& model, uint64_t seed);

}  // namespace tidemark
