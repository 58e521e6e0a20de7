// A trained model's forward pass, in f32: shared by `evaluate` and `sample`.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "cli/model_options.h"
#include "executor/runtime/runtime.h"

namespace tidemark::cli {

struct ForwardOptions {
  ModelOptions model;
  std::string weights;
  bool decodes = false;  ///< pairs
};

void add_forward_options(CLI::App& command, ForwardOptions& options);

class ForwardRun {
 public:
  /// Of models of images a density_graph, to decode pairs a decoding_graph, else the graph whose output is
  /// the loss. The loss is the first output of the latter two.
  explicit ForwardRun(const ForwardOptions& options);

  const BuiltModel& built() const { return built_; }
  const Model& model() const { return *built_.model; }
  Runtime& runtime() { return *runtime_; }

 private:
  BuiltModel built_;
  Graph graph_;
  Plan plan_;
  std::unique_ptr<Runtime> runtime_;
};

}  // namespace tidemark::cli
