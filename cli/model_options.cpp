#include "cli/model_options.h"

#include <thread>

#include "base/error.h"
#include "cli/checks.h"

namespace tidemark::cli {

void add_model_choice(CLI::App& command, ModelOptions& o) {
  auto* preset = command.add_option("--model", o.preset, "A preset; 'tidemark models' lists them");
  command.add_option("--config", o.config, "A Hugging Face style config.json")->excludes(preset);
}

void add_model_options(CLI::App& command, ModelOptions& o) {
  add_model_choice(command, o);
  command.add_option("--batch", o.batch, "Sequences or images in a micro-batch")->capture_default_str();
  command.add_option("--length", o.length, "Tokens in a sequence, at most")->capture_default_str();
  command
      .add_option("--target-length", o.target_length,
                  "Of models of pairs: tokens in a target, at most; 0: as many as in a source")
      ->check(not_negative())
      ->capture_default_str();
  command.add_option("--dtype", o.dtype, "f32, or bf16 with f32 masters")->capture_default_str();
  command
      .add_option("--packing", o.packing,
                  "windows: equal lengths; documents: real lengths, packed without padding; auto: documents "
                  "for recurrent models and pairs")
      ->check(CLI::IsMember({"auto", "windows", "documents"}))
      ->capture_default_str();
  command
      .add_option("--loss-chunk-rows", o.loss_chunk_rows,
                  "Tokens of which the loss has the logits at a time; 0: as few as cost no time")
      ->check(not_negative())
      ->capture_default_str();
  command.add_option("--micro-batches", o.micro_batches, "Micro-batches whose gradients add up")
      ->capture_default_str();
  command.add_option("--clip-norm", o.clip_norm, "Clip the gradients' global norm; 0: never")
      ->check(not_negative())
      ->capture_default_str();
  command.add_option("--weight-decay", o.weight_decay, "AdamW's decoupled weight decay")
      ->check(not_negative())
      ->capture_default_str();
  command.add_option("--beta2", o.beta2, "AdamW's decay of the mean squared gradient")
      ->check(CLI::Range(0.0, 0.99999))
      ->capture_default_str();
  command.add_flag("--no-masters", o.no_masters,
                   "No f32 masters of bf16 parameters: these are rounded stochastically, each step");
  command.add_option("--threads", o.threads, "Threads; 0: one per processor")->capture_default_str();
}

int threads_of(int asked) {
  if (asked < 0 || asked > 4096)
    throw Error("bad usage", "--threads", "is " + std::to_string(asked), "use 0 to 4096");
  if (asked > 0) return asked;
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

const char* unit_of(const Model& model) {
  return model.pixels() > 0 ? "pixels" : "tokens";
}

std::unique_ptr<Model> load(const ModelOptions& options) {
  if (options.preset.empty() && options.config.empty())
    throw Error("bad usage", "command line", "no model was named", "give --model PRESET or --config FILE");
  return options.config.empty() ? model_from_preset(options.preset) : model_from_file(options.config);
}

namespace {

void expect_positive(const char* flag, int64_t value) {
  if (value <= 0) throw Error("bad usage", flag, "is " + std::to_string(value), "use 1 or more");
}

}  // namespace

BuiltModel describe(const ModelOptions& o) {
  expect_positive("--batch", o.batch);
  expect_positive("--length", o.length);
  BuiltModel built;
  built.model = load(o);
  built.name = o.config.empty() ? o.preset : o.config;
  const int64_t pixels = built.model->pixels(), length = pixels > 0 ? pixels : o.length;
  if (o.batch > (int64_t{1} << 31) / length)
    throw Error("bad usage", "--batch", "batch x length is over 2^31 tokens", "use a smaller one");
  const std::string& family = built.model->family();
  if (pixels > 0 && o.packing == "documents")
    throw Error("bad usage", "--packing", "images are no documents", "leave it out");
  const bool recurrent = family == "rnn" || family == "lstm" || family == "gru";
  const bool pairs = built.model->pair_tokens().has_value();
  if (pairs && o.packing == "windows")
    throw Error("bad usage", "--packing", "pairs are no windows of a text", "leave it out");
  if (!pairs && o.target_length > 0)
    throw Error("bad usage", "--target-length", "the model has no targets apart", "leave it out");
  if (pixels > 0 && o.loss_chunk_rows > 0)
    throw Error("bad usage", "--loss-chunk-rows", "the loss of images has no logits of a vocabulary",
                "leave it out");
  built.batch.loss_chunk_rows = o.loss_chunk_rows;
  built.documents = o.packing == "documents" || (o.packing == "auto" && (recurrent || pairs));
  built.batch.tokens = o.batch * length;
  built.batch.max_length = length;
  if (pairs) {
    const int64_t target_length = o.target_length > 0 ? o.target_length : length;
    if (o.batch > (int64_t{1} << 31) / target_length)
      throw Error("bad usage", "--batch", "batch x target length is over 2^31 tokens", "use a smaller one");
    built.batch.target_tokens = o.batch * target_length;
    built.batch.max_length = std::max(length, target_length);
  }
  // Documents and pairs are shorter than the longest there can be: leave room for more of them.
  const int64_t most = pairs ? std::min(built.batch.tokens, built.batch.target_tokens) : built.batch.tokens;
  built.batch.sequences = built.documents ? std::min((pairs ? 8 : 4) * o.batch, most) : o.batch;
  built.batch.dtype = dtype_from(o.dtype, "--dtype");
  return built;
}

BuiltModel build(const ModelOptions& o) {
  expect_positive("--micro-batches", o.micro_batches);
  BuiltModel built = describe(o);
  if (o.no_masters && built.batch.dtype == DType::f32)
    throw Error("bad usage", "--no-masters", "f32 parameters have none", "leave it out, or add --dtype bf16");
  AdamW optimizer;
  optimizer.masters = !o.no_masters;
  optimizer.clip_norm = o.clip_norm;
  optimizer.weight_decay = o.weight_decay;
  optimizer.beta2 = o.beta2;
  built.training = make_training_graph(built.model->build(built.batch),
                                       {.optimizer = optimizer, .micro_batches = o.micro_batches});
  return built;
}

}  // namespace tidemark::cli
