#include <algorithm>
#include <cmath>
#include <iostream>
#include <nlohmann/json.hpp>
#include <span>

#include "base/file.h"
#include "base/units.h"
#include "cli/checks.h"
#include "cli/commands.h"
#include "cli/data_options.h"
#include "cli/forward_run.h"
#include "cli/keep_inputs.h"
#include "cli/table.h"
#include "executor/training/decoding.h"
#include "executor/training/density.h"

namespace tidemark::cli {
namespace {

using nlohmann::json;

struct Options {
  ForwardOptions forward;
  DataOptions data;
  std::string part = "test";
  std::string decoded;  ///< file; empty: nothing is decoded
  int64_t orderings = 0;
  int64_t limit = 0;
  bool as_json = false;
};

std::string nats(double value, const char* of) {
  char text[64];
  std::snprintf(text, sizeof text, "%.4f nats %s", value, of);
  return text;
}

json evaluate_images(const Options& o, ForwardRun& run) {
  const int64_t ensemble = run.model().ensemble_size();
  if (o.orderings > ensemble)
    throw Error("bad usage", "--orderings " + std::to_string(o.orderings),
                "the model has " + std::to_string(ensemble), "use 0 for all of them");
  const ImageBatchMaker images = open_images(o.data, run.model(), o.part, false);
  const DensityEstimate e =
      estimate_density(run.runtime(), run.model(), images, o.orderings > 0 ? o.orderings : ensemble, o.limit);
  if (!o.as_json) {
    print_row("images", format_count(e.images) + " of " + images.source().path());
    print_row("-log p", nats(e.nll, "an image"));
    if (e.orderings > 1)
      print_row("", nats(e.single_nll, "under one ordering, the mean over ") + std::to_string(e.orderings));
  }
  return {{"images", e.images}, {"orderings", e.orderings}, {"nll", e.nll}, {"single_nll", e.single_nll}};
}

json evaluate_tokens(const Options& o, ForwardRun& run) {
  const DataFeed feed = make_validation_feed(o.data.path, o.data, run.built(), run.runtime());
  const auto* loss = static_cast<const float*>(run.runtime().data(run.runtime().graph().outputs().front()));
  int64_t batches = feed.batches_per_epoch;
  if (o.limit > 0) batches = std::min(batches, o.limit);
  const TensorType& type = run.runtime().graph().value(run.runtime().graph().require("labels")).type;
  const std::span<const int32_t> labels(run.runtime().data<int32_t>("labels"),
                                        static_cast<size_t>(type.shape.elements()));
  double total = 0;  // a batch's loss is the mean over what it predicts
  int64_t predicted = 0;
  for (int64_t batch = 0; batch < batches; ++batch) {
    feed.fill(run.runtime(), batch, 0);
    run.runtime().run_micro_batch();
    const int64_t own = std::count_if(labels.begin(), labels.end(), [](int32_t label) { return label >= 0; });
    total += double{*loss} * static_cast<double>(own);
    predicted += own;
  }
  const double mean = total / static_cast<double>(predicted);
  const bool classifies = run.model().labels_sequences();
  if (!o.as_json) {
    print_row(classifies ? "sequences" : "tokens", format_count(predicted));
    print_row("loss", nats(mean, classifies ? "a sequence" : "a token"));
    print_row("perplexity", std::to_string(std::exp(mean)));
  }
  return {{"tokens", predicted}, {"loss", mean}, {"perplexity", std::exp(mean)}};
}

std::string text_of(std::span<const int32_t> tokens) {
  std::string text;
  for (const int32_t token : tokens)
    text += token < 256 ? std::string(1, static_cast<char>(token)) : "\uFFFD";
  return text;
}

/// Adds to the result what it says of error rates.
void decode_pairs(const Options& o, ForwardRun& run, json& result) {
  const PairSource pairs(o.data.path, run.model());
  const auto decoded = decode_greedily(run.runtime(), run.built().batch, pairs);
  std::string lines;
  for (int64_t i = 0; i < pairs.size(); ++i)
    lines += text_of(pairs.source(i)) + "\t" + text_of(pairs.target(i)) + "\t" +
             text_of(decoded[static_cast<size_t>(i)]) + "\n";
  write_text_file(o.decoded, lines, "cannot write what was decoded");
  const ErrorRates rates = error_rates(pairs, decoded);
  if (!o.as_json) {
    const auto percent = [](double share, const char* of) {
      char text[64];
      std::snprintf(text, sizeof text, "%.2f %% of %s", 100 * share, of);
      return std::string(text);
    };
    print_row("decoded", format_count(pairs.size()) + " pairs, " + o.decoded);
    print_row("edits", percent(rates.tokens, "the targets' tokens"));
    print_row("wrong", percent(rates.targets, "the targets"));
  }
  result["pairs"] = pairs.size();
  result["token_error_rate"] = rates.tokens;
  result["target_error_rate"] = rates.targets;
}

void run(const Options& o) {
  keep_inputs(o.decoded, {o.forward.model.config, o.forward.weights, o.data.path});
  ForwardOptions options = o.forward;
  const bool pairs = takes_pairs(o.data, *load(options.model));
  options.decodes = !o.decoded.empty();
  if (options.decodes && !pairs)
    throw Error("bad usage", "--decode", o.data.path + " has no targets", "give pairs: a .tsv file");
  if (pairs) options.model.packing = "documents";
  ForwardRun forward(options);
  const bool images = forward.model().pixels() > 0;
  json result = images ? evaluate_images(o, forward) : evaluate_tokens(o, forward);
  if (options.decodes) decode_pairs(o, forward, result);
  result["predicted_peak_bytes"] = forward.runtime().plan().arena_bytes;
  result["measured_peak_bytes"] = forward.runtime().resident_bytes();
  if (o.as_json) std::cout << result.dump(2) << "\n";
}

}  // namespace

void add_evaluate(CLI::App& app, ExitCode&) {
  auto* command = app.add_subcommand("evaluate", "Measure a trained model's loss on other data");
  auto o = std::make_shared<Options>();
  o->forward.model.packing = "windows";  // each of the data once
  o->forward.model.batch = 100;
  add_forward_options(*command, o->forward);
  add_data_options(*command, o->data)->required();
  command->add_option("--length", o->forward.model.length, "Tokens in a sequence")->capture_default_str();
  command->add_option("--target-length", o->forward.model.target_length, "Of pairs: in a target; 0: as many")
      ->check(not_negative())
      ->capture_default_str();
  command->add_option("--part", o->part, "Of a folder of images: train, valid or test")
      ->check(CLI::IsMember({"train", "valid", "test"}))
      ->capture_default_str();
  command->add_option("--orderings", o->orderings, "Models of the ensemble to average p over; 0: all")
      ->check(not_negative())
      ->capture_default_str();
  auto* limit =
      command->add_option("--limit", o->limit, "The first so many images, or batches of tokens; 0: all");
  limit->check(not_negative())->capture_default_str();
  command
      ->add_option(
          "--decode", o->decoded,
          "Of pairs: decode every source greedily, measure the error rates, and write source, target and "
          "what was decoded to this file")
      ->excludes(limit);
  command->add_flag("--json", o->as_json, "Print JSON");
  command->callback([o] { run(*o); });
}

}  // namespace tidemark::cli
