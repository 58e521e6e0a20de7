// The options that say what a run is fed: shared by `profile` and `train`.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "cli/model_options.h"
#include "executor/io/batch.h"

namespace tidemark::cli {

struct DataOptions {
  std::string path;
  std::string split = "paragraph";
  int32_t separator = -1;
  uint64_t seed = 0;  ///< of the order of the data, the first weights and dropout
};

/// Returns the option --data.
CLI::Option* add_data_options(CLI::App& command, DataOptions& options);

/// Without a path: synthetic tokens.
std::shared_ptr<const TokenSource> open_data(const DataOptions& options, const BuiltModel& built);

BatchMaker make_batches(std::shared_ptr<const TokenSource> source, const DataOptions& options,
                        const BuiltModel& built, int micro_batches);

}  // namespace tidemark::cli
