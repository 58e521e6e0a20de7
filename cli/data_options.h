// The options that say what a run is fed: shared by `profile` and `train`.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "cli/model_options.h"
#include "executor/io/batch.h"
#include "executor/io/image_batch.h"
#include "executor/training/session.h"

namespace tidemark::cli {

struct DataOptions {
  std::string path;
  std::string split = "paragraph";
  int32_t separator = -1;
  uint64_t seed = 0;  ///< of the order of the data, the first weights and dropout
};

/// Returns the option --data.
CLI::Option* add_data_options(CLI::App& command, DataOptions& options);

/// Whether the model is to be fed with pairs: its kind takes nothing else, or the data is a .tsv file.
bool takes_pairs(const DataOptions& options, const Model& model);

/// What a runtime's inputs are filled with, batch by batch.
struct DataFeed {
  Session::Feed fill;
  int64_t batches_per_epoch = 0;
};

/// Tokens, pairs, images or numbers, as the model takes; without a path, random ones. `built` and `runtime`
/// must outlive it.
DataFeed make_feed(const DataOptions& options, const BuiltModel& built, Runtime& runtime);

/// Images for the model, in order where `shuffled` is false. Throws Error where they have not its pixels.
ImageBatchMaker open_images(const DataOptions& options, const Model& model, const std::string& part,
                            bool shuffled);

/// The part of the data that choices are made by: `path` is a file, or a folder whose valid part it is. Its
/// micro-batches are numbered from 0, one a step, in the same order every time.
DataFeed make_validation_feed(const std::string& path, const DataOptions& options, const BuiltModel& built,
                              Runtime& runtime);

}  // namespace tidemark::cli
