#include "cli/data_options.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>

#include "base/error.h"
#include "executor/io/pair_batch.h"
#include "executor/training/state.h"

namespace tidemark::cli {

CLI::Option* add_data_options(CLI::App& command, DataOptions& o) {
  auto* data =
      command.add_option("--data", o.path,
                         "UTF-8 text, one token per byte, or ids in a .bin or .npy file; "
                         "pairs: a text with source, tab, target on each line (.tsv); "
                         "images: an IDX file, or a folder with train, valid and test parts; "
                         "sequences of numbers: a safetensors file with x, labels and perhaps lengths");
  command.add_option("--split", o.split, "What a document of text is: paragraph or line")
      ->check(CLI::IsMember({"paragraph", "line"}))
      ->capture_default_str();
  command.add_option("--separator", o.separator, "The id that ends a document of ids");
  command.add_option("--seed", o.seed, "Of first weights, order of the data, dropout")->capture_default_str();
  return data;
}

namespace {

BatchMaker token_batches(const DataOptions& o, const BuiltModel& built, Packing packing, int micro_batches) {
  const int64_t vocabulary = built.model->vocabulary();
  auto source = o.path.empty() ? std::make_shared<TokenSource>(TokenSource::synthetic(vocabulary))
                               : std::make_shared<TokenSource>(o.path, vocabulary);
  BatchOptions options;
  options.packing = packing;
  options.unit = !source->is_text()  ? DocumentUnit::separator
                 : o.split == "line" ? DocumentUnit::line
                                     : DocumentUnit::paragraph;
  options.separator = o.path.empty() ? 0 : o.separator;
  options.seed = o.seed;
  options.micro_batches = micro_batches;
  return BatchMaker(std::move(source), built.batch, options);
}

DataFeed token_feed(BatchMaker batches, Runtime& runtime) {
  const int64_t epoch = batches.batches_per_epoch();
  return {[batches = std::move(batches), inputs = input_view(runtime)](
              Runtime&, int64_t step, int micro_batch) mutable { batches.fill(step, micro_batch, inputs); },
          epoch};
}

/// The longest side of random pairs: one that fits, and on average fills the batch.
int64_t random_pair(const BatchSpec& batch) {
  const int64_t rows = batch.target_tokens > 0 ? std::min(batch.tokens, batch.target_tokens) : batch.tokens;
  return std::min({batch.max_length, rows, 2 * rows / batch.sequences});
}

DataFeed pair_feed(const DataOptions& o, const BuiltModel& built, Runtime& runtime, bool shuffled,
                   int micro_batches) {
  if (!built.documents)
    throw Error("cannot make batches", o.path, "pairs are of many lengths", "use --packing documents");
  auto source = std::make_shared<PairSource>(
      o.path.empty() ? PairSource::synthetic(*built.model, random_pair(built.batch))
                     : PairSource(o.path, *built.model));
  PairBatchMaker batches(std::move(source), built.batch, shuffled ? std::optional(o.seed) : std::nullopt);
  const int64_t epoch = batches.batches_per_epoch();
  return {[batches = std::move(batches), inputs = input_view(runtime), micro_batches](
              Runtime&, int64_t step, int micro_batch) mutable {
            batches.fill(step * micro_batches + micro_batch, inputs);
          },
          epoch};
}

/// Each batch under the next model of the ensemble.
DataFeed image_feed(ImageBatchMaker images, const Model& model, Runtime& runtime, int micro_batches) {
  const TensorSlot x{"x", runtime.graph().value(runtime.graph().require("x")).type, runtime.data<void>("x")};
  const int64_t epoch = std::max<int64_t>(1, images.source().size() / x.type.shape[0]);
  return {[images = std::move(images), x, &model, micro_batches, inputs = input_view(runtime)](
              Runtime&, int64_t step, int micro_batch) {
            const int64_t batch = step * micro_batches + micro_batch;
            images.fill(batch, x);
            model.fill_constants(batch, inputs);
          },
          epoch};
}

DataFeed number_feed(const DataOptions& o, const BuiltModel& built, Runtime& runtime, bool shuffled,
                     int micro_batches) {
  const int64_t length = built.batch.max_length;
  auto source =
      std::make_shared<NumberSource>(o.path.empty() ? NumberSource::synthetic(*built.model, length, length)
                                                    : NumberSource(o.path, *built.model));
  const int64_t epoch = std::max<int64_t>(1, source->size() / built.batch.sequences);
  return {[batches = NumberBatchMaker(std::move(source), built.batch,
                                      shuffled ? std::optional(o.seed) : std::nullopt),
           view = number_view(runtime), micro_batches](Runtime&, int64_t step, int micro_batch) {
            batches.fill(step * micro_batches + micro_batch, view);
          },
          epoch};
}

}  // namespace

bool takes_pairs(const DataOptions& o, const Model& model) {
  return model.pair_tokens() || std::filesystem::path(o.path).extension() == ".tsv";
}

ImageBatchMaker open_images(const DataOptions& o, const Model& model, const std::string& part,
                            bool shuffled) {
  auto source = o.path.empty() ? std::make_shared<ImageSource>(ImageSource::synthetic(model.pixels()))
                               : std::make_shared<ImageSource>(o.path, part);
  if (source->pixels() != model.pixels())
    throw Error("cannot read images", source->path(),
                "they have " + std::to_string(source->height()) + " x " + std::to_string(source->width()) +
                    " pixels, the model takes " + std::to_string(model.pixels()),
                "use a model whose input_dim is " + std::to_string(source->pixels()));
  return ImageBatchMaker(std::move(source), shuffled ? std::optional(o.seed) : std::nullopt);
}

DataFeed make_feed(const DataOptions& o, const BuiltModel& built, Runtime& runtime) {
  const int micro_batches = runtime.plan().micro_batches;
  if (built.model->pixels() > 0)
    return image_feed(open_images(o, *built.model, "train", true), *built.model, runtime, micro_batches);
  if (built.model->input_columns() > 0) return number_feed(o, built, runtime, true, micro_batches);
  if (takes_pairs(o, *built.model)) return pair_feed(o, built, runtime, true, micro_batches);
  const Packing packing = built.documents ? Packing::documents : Packing::windows;
  return token_feed(token_batches(o, built, packing, micro_batches), runtime);
}

DataFeed make_validation_feed(const std::string& path, const DataOptions& options, const BuiltModel& built,
                              Runtime& runtime) {
  DataOptions o = options;
  o.path = path;
  o.seed = 0;
  if (built.model->pixels() > 0)
    return image_feed(open_images(o, *built.model, "valid", false), *built.model, runtime, 1);
  if (built.model->input_columns() > 0) return number_feed(o, built, runtime, false, 1);
  if (takes_pairs(o, *built.model)) return pair_feed(o, built, runtime, false, 1);
  const Packing packing = built.documents ? Packing::documents : Packing::windows;
  return token_feed(token_batches(o, built, packing, 1), runtime);
}

}  // namespace tidemark::cli
