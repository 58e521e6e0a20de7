#include "planner/sharding/states.h"

#include <string>

#include "base/error.h"

namespace tidemark {

ModelStates model_states(const Graph& training) {
  ModelStates s;
  for (ValueId id : training.sources(Category::parameter)) s.parameters += training.value(id).bytes();
  for (ValueId id : training.trained_parameters()) s.gradients += training.value(id).bytes();
  for (ValueId id : training.sources(Category::optimizer_state)) s.optimizer += training.value(id).bytes();
  return s;
}

ModelStates sharded_states(const ModelStates& states, ZeroStage stage, int64_t devices) {
  if (devices < 1)
    throw Error("cannot shard", "devices", "there are " + std::to_string(devices), "give 1 or more");
  const auto share = [&](int64_t bytes, ZeroStage from) {
    return stage < from ? bytes : bytes / devices + (bytes % devices != 0);
  };
  return {.parameters = share(states.parameters, ZeroStage::parameters),
          .gradients = share(states.gradients, ZeroStage::gradients),
          .optimizer = share(states.optimizer, ZeroStage::optimizer)};
}

}  // namespace tidemark
