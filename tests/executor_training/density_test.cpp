// Likelihoods that add up to one, and samples that follow them.
#include "executor/training/density.h"

#include <gtest/gtest.h>

#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>
#include <random>

#include "executor/training/initialize.h"
#include "executor/training/state.h"
#include "planner/planner.h"
#include "tests/scratch.h"

namespace tidemark {
namespace {

using nlohmann::json;

constexpr int64_t kPixels = 6, kImages = 1 << kPixels;

/// A model of 6 pixels with random parameters that are far from even, run on batches of so many images.
struct Density {
  explicit Density(const json& config, int64_t batch = kImages)
      : model(load_model(config, "test")), graph(density_graph(*model, batch)) {
    PlanRequest request;
    request.device.threads = 2;
    request.times = analytic_times(graph, cpu_speed(2));
    plan = make_plan(graph, request).plan.value();
    runtime = std::make_unique<Runtime>(graph, plan);
    initialize_parameters(*runtime, 3);
    std::mt19937 random(5);
    std::normal_distribution<float> normal(0, 0.8f);
    for (const TensorSlot& slot : parameter_slots(*runtime))
      for (int64_t i = 0; i < slot.type.shape.elements(); ++i)
        static_cast<float*>(slot.data)[i] = normal(random);
  }

  std::unique_ptr<Model> model;
  Graph graph;
  Plan plan;
  std::unique_ptr<Runtime> runtime;
};

const json kConfigs[] = {
    {{"model_type", "fvsbn"}, {"input_dim", 6}, {"order", {3, 1, 0, 5, 2, 4}}},
    {{"model_type", "nade"}, {"input_dim", 6}, {"hidden_size", 7}, {"order", {3, 1, 0, 5, 2, 4}}},
    {{"model_type", "nade"}, {"input_dim", 6}, {"hidden_size", 7}, {"tied_weights", true}},
    {{"model_type", "made"}, {"input_dim", 6}, {"hidden_sizes", {9}}, {"mask_seeds", {7}}},
    {{"model_type", "made"},
     {"input_dim", 6},
     {"hidden_sizes", {9, 8}},
     {"mask_seeds", {1, 2, 5}},
     {"activation", "tanh"},
     {"direct_connection", true}},
};

class DensityTest : public ScratchTest, public ::testing::WithParamInterface<int> {
 protected:
  static const json& config() { return kConfigs[GetParam()]; }

  /// All 64 images of 2 x 3 pixels, image i holding the bits of i.
  std::shared_ptr<ImageSource> all_images() const {
    std::string bytes("\0\0\x08\x03\0\0\0\x40\0\0\0\x02\0\0\0\x03", 16);
    for (int64_t i = 0; i < kImages * kPixels; ++i)
      bytes += static_cast<char>(i / kPixels >> i % kPixels & 1);
    return std::make_shared<ImageSource>(write("all.idx3-ubyte", bytes), "");
  }
};

INSTANTIATE_TEST_SUITE_P(Models, DensityTest, ::testing::Range(0, static_cast<int>(std::size(kConfigs))));

// The one property that makes exact likelihoods exact: over all images there are, they add up to one.
TEST_P(DensityTest, ProbabilitiesOfAllImagesAddUpToOne) {
  Density d(config());
  const ImageBatchMaker images(all_images(), std::nullopt);
  const TensorSlot x{"x", {DType::f32, {kImages, kPixels}}, d.runtime->data<void>("x")};
  images.fill(0, x);
  const auto* nll = static_cast<const float*>(d.runtime->data(d.graph.require("loss:nll")));
  for (int64_t k = 0; k < d.model->ensemble_size(); ++k) {
    d.model->fill_constants(k, input_view(*d.runtime));
    d.runtime->run_micro_batch();
    double total = 0, even = 0;
    for (int64_t i = 0; i < kImages; ++i) {
      total += std::exp(-double{nll[i]});
      even = std::max(even, std::abs(double{nll[i]} - std::log(64.0)));
    }
    EXPECT_NEAR(total, 1, 1e-5);
    EXPECT_GT(even, 0.5);  // and they are not all the same
  }
}

TEST_P(DensityTest, EstimatesAverageProbabilitiesOverTheEnsemble) {
  Density d(config());
  const int64_t orderings = d.model->ensemble_size();
  const ImageBatchMaker images(all_images(), std::nullopt);
  const DensityEstimate estimate = estimate_density(*d.runtime, *d.model, images, orderings, 0);
  // From the likelihoods of one model after the other.
  std::vector<double> p(kImages);
  double single = 0;
  const auto* nll = static_cast<const float*>(d.runtime->data(d.graph.require("loss:nll")));
  for (int64_t k = 0; k < orderings; ++k) {
    d.model->fill_constants(k, input_view(*d.runtime));
    d.runtime->run_micro_batch();
    for (size_t i = 0; i < p.size(); ++i) {
      p[i] += std::exp(-double{nll[i]}) / static_cast<double>(orderings);
      single += double{nll[i]} / static_cast<double>(orderings * kImages);
    }
  }
  double ensemble = 0;
  for (double probability : p) ensemble -= std::log(probability) / kImages;
  EXPECT_EQ(estimate.images, kImages);
  EXPECT_NEAR(estimate.nll, ensemble, 1e-6);
  EXPECT_NEAR(estimate.single_nll, single, 1e-6);
  EXPECT_EQ(orderings > 1, estimate.single_nll > estimate.nll + 1e-6);
  // 64 images are no multiple of 7: what fills the last batch does not count.
  Density sevens(config(), 7);
  EXPECT_NEAR(estimate_density(*sevens.runtime, *sevens.model, images, orderings, 0).nll, ensemble, 1e-5);
  const DensityEstimate few = estimate_density(*sevens.runtime, *sevens.model, images, orderings, 1);
  EXPECT_EQ(few.images, 1);
  EXPECT_NEAR(few.nll, -std::log(p[0]), 1e-5);
}

// A chi-squared test of 40,000 samples over the 64 images; the seed is fixed, so it always comes out the
// same.
TEST_P(DensityTest, SamplesFollowTheProbabilities) {
  Density d(config(), 40000), exact(config());
  const std::vector<float> samples = sample_images(*d.runtime, *d.model, 12);
  std::vector<double> counts(kImages);
  for (size_t i = 0; i < samples.size(); i += kPixels) {
    size_t image = 0;
    for (size_t bit = 0; bit < kPixels; ++bit) image |= static_cast<size_t>(samples[i + bit] != 0) << bit;
    ++counts[image];
  }
  const ImageBatchMaker images(all_images(), std::nullopt);
  images.fill(0, {"x", {DType::f32, {kImages, kPixels}}, exact.runtime->data<void>("x")});
  exact.model->fill_constants(0, input_view(*exact.runtime));
  exact.runtime->run_micro_batch();
  const auto* nll = static_cast<const float*>(exact.runtime->data(exact.graph.require("loss:nll")));
  double chi_squared = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    const double expected = 40000 * std::exp(-double{nll[i]});
    chi_squared += (counts[i] - expected) * (counts[i] - expected) / expected;
  }
  EXPECT_LT(chi_squared, 63 + 4 * std::sqrt(2 * 63.0));  // four standard deviations above the mean
}

TEST_P(DensityTest, SamplesDependOnTheSeedAlone) {
  Density a(config(), 5), b(config(), 9);
  const std::vector<float> five = sample_images(*a.runtime, *a.model, 1);
  std::vector<float> nine = sample_images(*b.runtime, *b.model, 1);
  EXPECT_NE(sample_images(*a.runtime, *a.model, 2), five);
  nine.resize(five.size());
  EXPECT_EQ(nine, five);
}

}  // namespace
}  // namespace tidemark
