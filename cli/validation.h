// How good the model is on other data while it trains: keeps the best weights, and says when to stop.
#pragma once

#include <CLI/CLI.hpp>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "cli/progress.h"
#include "cli/training_run.h"

namespace tidemark::cli {

struct ValidationOptions {
  std::string data;      ///< empty: no validation
  int64_t every = 0;     ///< steps; 0: once per epoch of the training data
  int64_t patience = 0;  ///< validations without a better loss before the run ends; 0: it never does
};

void add_validation_options(CLI::App& command, ValidationOptions& options);

class Validation {
 public:
  /// `save`: the run's folder, where the best weights go to `best/` and what was measured to
  /// `validation.json`; empty: nowhere. A resumed run takes up what that file has of its steps.
  Validation(const ValidationOptions& options, const DataOptions& data, const BuiltModel& built,
             TrainingRun& run, std::string save);

  bool due(int64_t step) const { return every_ > 0 && step % every_ == 0; }
  void measure(Progress& progress);
  /// Whether the loss has not become better for as long as the options have patience.
  bool exhausted() const;

  /// [{"step": …, "loss": …}, …]
  nlohmann::json results() const;
  /// The result with the smallest loss, or null.
  nlohmann::json best() const;

 private:
  struct Result {
    int64_t step = 0;
    double loss = 0;
  };
  void restore();
  void save_best() const;
  const Result* best_result() const;

  const BuiltModel& built_;
  TrainingRun& run_;
  std::string save_;
  int64_t every_ = 0, patience_ = 0;
  DataFeed feed_;
  std::vector<Result> results_;
};

}  // namespace tidemark::cli
