#include "models/rope_scaling.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>

namespace tidemark {
namespace {

constexpr double kMost = 1e12;

/// What all variants start from.
struct Base {
  const Config& model;
  const Config& rope;
  double theta;
  int64_t head_dim;
  int64_t length;
  int64_t max_positions;

  int64_t pairs() const { return head_dim / 2; }
  int64_t original_positions() const {
    const Config& holder = rope.has("original_max_position_embeddings") ? rope : model;
    return holder.positive("original_max_position_embeddings", max_positions, int64_t{1} << 40);
  }
  double factor() const { return rope.number("factor", {}, 1, kMost); }
  /// `factor`, or how far the model's positions reach beyond the original ones.
  double factor_or_ratio() const {
    return rope.number("factor",
                       static_cast<double>(max_positions) / static_cast<double>(original_positions()), 1e-6,
                       kMost);
  }
};

std::vector<double> powers(double theta, const Base& base) {
  std::vector<double> frequencies;
  for (int64_t i = 0; i < base.pairs(); ++i)
    frequencies.push_back(
        std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(base.head_dim)));
  return frequencies;
}

RopeFrequencies linear(const Base& base) {
  RopeFrequencies rope{powers(base.theta, base)};
  for (double& f : rope.frequencies) f /= base.factor();
  return rope;
}

RopeFrequencies dynamic(const Base& base) {
  if (base.head_dim == 2)
    throw base.model.error("head_dim", "2 is too small for dynamic scaling", "use 4 or more");
  const double factor = base.factor();
  const double most = static_cast<double>(base.max_positions);
  const double reach = std::max(static_cast<double>(base.length), most) / most;
  const double dim = static_cast<double>(base.head_dim);
  return {powers(base.theta * std::pow(factor * reach - (factor - 1), dim / (dim - 2)), base)};
}

RopeFrequencies yarn(const Base& base) {
  const double factor = base.factor_or_ratio();
  const double dim = static_cast<double>(base.head_dim);
  const double original = static_cast<double>(base.original_positions());
  const auto mscale = [factor](double weight) {
    return factor <= 1 ? 1 : 0.1 * weight * std::log(factor) + 1;
  };
  // The pair that turns `rotations` times over the original context.
  const auto pair_of = [&](double rotations) {
    return dim * std::log(original / (rotations * 2 * std::numbers::pi)) / (2 * std::log(base.theta));
  };
  double low = pair_of(base.rope.number("beta_fast", 32, 1e-6, kMost));
  double high = pair_of(base.rope.number("beta_slow", 1, 1e-6, kMost));
  if (base.rope.flag("truncate", true)) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, dim - 1);
  if (low == high) high += 0.001;

  RopeFrequencies rope{powers(base.theta, base)};
  for (size_t i = 0; i < rope.frequencies.size(); ++i) {
    const double interpolated = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    rope.frequencies[i] *= interpolated / factor + (1 - interpolated);
  }
  const double numerator = base.rope.number("mscale", 0, 0, kMost);
  const double denominator = base.rope.number("mscale_all_dim", 0, 0, kMost);
  const bool ratio = numerator != 0 && denominator != 0;
  rope.scale = base.rope.number("attention_factor",
                                ratio ? mscale(numerator) / mscale(denominator) : mscale(1), 0, kMost);
  return rope;
}

RopeFrequencies longrope(const Base& base) {
  const double original = static_cast<double>(base.original_positions());
  const bool is_long = base.length > base.original_positions();
  const size_t pairs = static_cast<size_t>(base.pairs());
  const auto short_factors = base.rope.numbers("short_factor", pairs);
  const auto long_factors = base.rope.numbers("long_factor", pairs);
  const double factor = base.factor_or_ratio();
  RopeFrequencies rope{powers(base.theta, base)};
  for (size_t i = 0; i < pairs; ++i) rope.frequencies[i] /= is_long ? long_factors[i] : short_factors[i];
  const double scale = factor <= 1 ? 1 : std::sqrt(1 + std::log(factor) / std::log(original));
  rope.scale = base.rope.number("attention_factor", scale, 0, kMost);
  return rope;
}

RopeFrequencies llama3(const Base& base) {
  const double factor = base.factor();
  const double low = base.rope.number("low_freq_factor", {}, 1e-6, kMost);
  const double high = base.rope.number("high_freq_factor", {}, 1e-6, kMost);
  if (!base.rope.has("original_max_position_embeddings"))
    throw base.rope.error("original_max_position_embeddings", "missing",
                          "give the context of the first training");
  if (high <= low)
    throw base.rope.error("high_freq_factor", "not above low_freq_factor", "give a greater number");
  const double original = static_cast<double>(base.original_positions());
  RopeFrequencies rope{powers(base.theta, base)};
  for (double& f : rope.frequencies) {
    const double turns = original * f / (2 * std::numbers::pi);  // over the original context
    const double kept = std::clamp((turns - low) / (high - low), 0.0, 1.0);
    f *= kept + (1 - kept) / factor;
  }
  return rope;
}

}  // namespace

RopeFrequencies rope_frequencies(const Config& config, int64_t head_dim, int64_t length) {
  const std::string field = config.has("rope_parameters") ? "rope_parameters" : "rope_scaling";
  static const nlohmann::json kEmpty = nlohmann::json::object();
  const Config rope = config.has(field) ? config.object(field) : Config(kEmpty, {});
  const std::string type =
      rope.choice(rope.has("rope_type") ? "rope_type" : "type",
                  {"default", "linear", "dynamic", "yarn", "longrope", "llama3"},
                  config.has(field) ? std::nullopt : std::optional<std::string>("default"));
  const Config& holder = rope.has("rope_theta") ? rope : config;
  const Base base{config,   rope,   holder.number("rope_theta", 10000, 1.000001, 1e18),
                  head_dim, length, config.positive("max_position_embeddings", 2048, int64_t{1} << 40)};
  for (const Config* section : {&config, &rope})
    if (section->number("partial_rotary_factor", 1, 0, 1) != 1)
      throw section->error("partial_rotary_factor", "Llama turns whole heads", "remove the field");
  if (type == "linear") return linear(base);
  if (type == "dynamic") return dynamic(base);
  if (type == "yarn") return yarn(base);
  if (type == "longrope") return longrope(base);
  if (type == "llama3") return llama3(base);
  return {powers(base.theta, base)};
}

}  // namespace tidemark
