#include "executor/training/initialize.h"

#include <cmath>
#include <cstring>
#include <numbers>

#include "base/error.h"
#include "base/random.h"
#include "executor/io/stored_type.h"

namespace tidemark {
namespace {

uint64_t key_of(uint64_t seed, const std::string& name) {
  uint64_t key = splitmix64(seed);
  for (unsigned char c : name) key = splitmix64(key ^ c);
  return key;
}

/// In (0, 1).
double uniform(uint64_t key, uint64_t counter) {
  return unit_interval(splitmix64(key ^ splitmix64(counter)));
}

/// Drawn uniformly from the area of a ring.
double squared_radius(const Initializer& init, uint64_t key, uint64_t counter) {
  const double least = init.low * init.low, most = init.scale * init.scale;
  return least + (most - least) * uniform(key, counter);
}

/// What the draws of a parameter depend on: its name, or its module's where parameters belong together.
std::string draws_by(const Value& parameter) {
  const bool together = parameter.init.kind == Initializer::Kind::log_decay ||
                        parameter.init.kind == Initializer::Kind::log_gain;
  return together ? parameter.name.substr(0, parameter.name.rfind('.')) : parameter.name;
}

/// `columns`: the last dimension.
float draw(const Initializer& init, uint64_t key, int64_t element, int64_t columns) {
  const auto i = static_cast<uint64_t>(element);
  switch (init.kind) {
    case Initializer::Kind::none: return 0;
    case Initializer::Kind::constant: return static_cast<float>(init.scale);
    case Initializer::Kind::uniform: return static_cast<float>(init.scale * (2 * uniform(key, i) - 1));
    case Initializer::Kind::log_index:
      return static_cast<float>(std::log(1.0 + static_cast<double>(element % columns)));
    case Initializer::Kind::index:
      return static_cast<float>(init.scale * static_cast<double>(element % columns));
    case Initializer::Kind::table:
      return static_cast<float>(init.values[static_cast<size_t>(element) % init.values.size()]);
    case Initializer::Kind::time_step: {
      const double step = init.low * std::pow(init.scale / init.low, uniform(key, i));
      return static_cast<float>(step + std::log(-std::expm1(-step)));
    }
    case Initializer::Kind::log_time_step:
      return static_cast<float>(std::log(init.low) + std::log(init.scale / init.low) * uniform(key, i));
    case Initializer::Kind::log_uniform: return static_cast<float>(std::log(init.scale * uniform(key, i)));
    case Initializer::Kind::log_decay:
      return static_cast<float>(std::log(-0.5 * std::log(squared_radius(init, key, i))));
    case Initializer::Kind::log_gain:
      return static_cast<float>(0.5 * std::log1p(-squared_radius(init, key, i)));
    case Initializer::Kind::normal: {  // Box & Muller 1958, one pair for two neighbours
      const double radius = std::sqrt(-2 * std::log(uniform(key, i | 1)));
      const double angle = 2 * std::numbers::pi * uniform(key, i & ~uint64_t{1});
      return static_cast<float>(init.scale * radius * (i & 1 ? std::sin(angle) : std::cos(angle)));
    }
  }
  throw InternalError("unknown initializer");
}

}  // namespace

void initialize_parameters(Runtime& runtime, uint64_t seed) {
  const Graph& graph = runtime.graph();
  for (ValueId id : graph.sources(Category::parameter)) {
    const Value& p = graph.value(id);
    const uint64_t key = key_of(seed, draws_by(p));
    const int64_t n = p.type.shape.elements(), columns = p.type.shape.columns();
    if (p.type.dtype == DType::f32) {
      auto* out = static_cast<float*>(runtime.data(id));
      for (int64_t i = 0; i < n; ++i) out[i] = draw(p.init, key, i, columns);
      continue;
    }
    auto* out = static_cast<uint16_t*>(runtime.data(id));
    const ValueId master_id = graph.find(p.name + ".master");
    auto* master = master_id == kNone ? nullptr : static_cast<float*>(runtime.data(master_id));
    for (int64_t i = 0; i < n; ++i) {
      const float x = draw(p.init, key, i, columns);
      if (master) master[i] = x;
      out[i] = bfloat16_from(x);
    }
  }
  for (ValueId id : graph.sources(Category::optimizer_state))
    if (const Value& v = graph.value(id); !v.name.ends_with(".master"))
      std::memset(runtime.data(id), 0, static_cast<size_t>(v.bytes()));
}

}  // namespace tidemark
