// A reference case of tests/data/parity: PyTorch's loss, gradients and AdamW steps of a small model.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/json_file.h"
#include "executor/io/reference_batch.h"
#include "graph/autodiff.h"
#include "models/model.h"
#include "planner/planner.h"

namespace tidemark {

struct ParityCase {
  explicit ParityCase(const std::string& name)
      : description(read_json(file(name + ".json"), "test data")),
        reference(file(name + ".safetensors")),
        model(load_model(description["config"], name)),
        batch(reference_batch(reference, *model)) {}

  static std::string file(const std::string& name) {
    return std::string(TIDEMARK_TEST_DATA) + "/parity/" + name;
  }
  /// A micro-batch for each model of an ensemble.
  int micro_batches() const { return static_cast<int>(model->ensemble_size()); }
  Graph graph(TrainingOptions options) const {
    options.micro_batches = micro_batches();
    return make_training_graph(model->build(batch.spec), options);
  }

  nlohmann::json description;
  TensorReader reference;
  std::unique_ptr<Model> model;
  ReferenceBatch batch;
};

/// The fastest plan of a strategy, or where `smallest` the smallest it can make.
inline Plan parity_plan(const Graph& graph, const std::string& strategy, bool smallest, int threads,
                        int micro_batches = 1) {
  PlanRequest request;
  request.micro_batches = micro_batches;
  request.strategy = strategy;
  request.device.threads = threads;
  request.times = analytic_times(graph, cpu_speed(threads));
  if (!smallest) return make_plan(graph, request).plan.value();
  request.budget_bytes = 1;
  request.budget_bytes = make_plan(graph, request).smallest_feasible_bytes;
  return make_plan(graph, request).plan.value();
}

}  // namespace tidemark
