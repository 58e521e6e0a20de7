// What `train` saves and resumes: the run's settings beside its tensors.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/training_run.h"
#include "executor/io/checkpoint.h"

namespace tidemark::cli {

/// Throws Error naming the first setting, or field of the config, in which the checkpoint differs from
/// this run: the numbers would not be those of an unbroken one.
void check_same_run(const Checkpoint& checkpoint, const nlohmann::json& settings,
                    const nlohmann::json& config, uint64_t seed);

/// Fills parameters and optimizer states, and sets the session's steps. Returns the losses so far.
std::vector<double> resume(const Checkpoint& checkpoint, TrainingRun& run);

void save(const std::string& directory, const nlohmann::json& settings, const nlohmann::json& config,
          uint64_t seed, const std::vector<double>& losses, TrainingRun& run);

}  // namespace tidemark::cli
