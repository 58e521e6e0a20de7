// The options that say which model, at which batch: shared by every subcommand that builds a graph.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>

#include "graph/autodiff.h"
#include "models/model.h"

namespace tidemark::cli {

struct ModelOptions {
  std::string preset;
  std::string config;
  int64_t batch = 1;
  int64_t length = 256;
  int64_t target_length = 0;  ///< 0: as length
  std::string dtype = "f32";
  std::string packing = "auto";
  int64_t loss_chunk_rows = 0;  ///< as BatchSpec's
  int micro_batches = 1;
  double clip_norm = 1.0;
  double weight_decay = 0.1;
  double beta2 = AdamW{}.beta2;
  bool no_masters = false;
  int threads = 0;
};

/// --model and --config alone.
void add_model_choice(CLI::App& command, ModelOptions& options);
void add_model_options(CLI::App& command, ModelOptions& options);

/// Threads asked for, or where that is 0 this machine's processors.
int threads_of(int asked);

struct BuiltModel {
  std::unique_ptr<Model> model;
  std::string name;  ///< preset or file
  BatchSpec batch;
  bool documents = false;  ///< sequences of varying length, packed
  Graph training;
};

/// What a sequence of the model is made of: "tokens" or "pixels".
const char* unit_of(const Model& model);

std::unique_ptr<Model> load(const ModelOptions& options);
/// Without a training graph.
BuiltModel describe(const ModelOptions& options);
BuiltModel build(const ModelOptions& options);

}  // namespace tidemark::cli
