// A model: from a Hugging Face style config.json to the forward graph of a batch.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace tidemark {

/// The capacity of one micro-batch. Sequences are packed: `tokens` is exact, no token is padding.
struct BatchSpec {
  int64_t tokens = 0;      ///< of all sequences together
  int64_t sequences = 1;   ///< at most
  int64_t max_length = 0;  ///< of the longest sequence, at most
  DType dtype = DType::f32;
  bool inference = false;  ///< without dropout and label smoothing
  /// Of the targets of all pairs together, of which there are `sequences`; 0: as many as `tokens`. Of models
  /// of pairs alone, whose `tokens` are those of the sources.
  int64_t target_tokens = 0;
  /// Of which the loss has the logits in memory at a time. Sums over tokens are rounded between chunks, so it
  /// says what the last bits are. 0: as few as cost no time.
  int64_t loss_chunk_rows = 0;
};

/// Inputs of a graph by name, as places to write to.
using IntegerInputs = std::map<std::string, std::span<int32_t>>;

/// Of models of pairs, what stands before a target when its first token is predicted, and what ends sources
/// and targets.
struct PairTokens {
  int64_t start = 0, end = 0;
};

struct ParameterSpec {
  std::string name;  ///< as in the state dict that Hugging Face or PyTorch saves
  Shape shape;
  Initializer init;
};

class Model {
 public:
  virtual ~Model() = default;

  const std::string& family() const { return family_; }  ///< "llama", "lstm", …
  const nlohmann::json& config() const { return *config_; }
  int64_t vocabulary() const { return vocabulary_; }
  /// Of an image, whose number of pixels is the length of a sequence; 0: the model takes tokens.
  int64_t pixels() const { return pixels_; }

  /// How many models share these parameters, each with masks of its own (MADE).
  virtual int64_t ensemble_size() const { return 1; }
  /// Fills the inputs that belong to the model rather than to the data: the order of pixels, the degrees of
  /// masks. Those of model `draw` modulo ensemble_size(). Allocates nothing.
  virtual void fill_constants(int64_t draw, const IntegerInputs& inputs) const;
  /// The pixels in the order in which model `draw` predicts them; empty where it takes tokens.
  virtual std::vector<int32_t> pixel_order(int64_t draw) const;
  /// Of a model of sequences of numbers: how many there are at each step; 0: the model takes tokens.
  virtual int64_t input_columns() const { return 0; }
  /// Whether a label belongs to each sequence, not to each token.
  virtual bool labels_sequences() const { return false; }

  /// Present where the model takes pairs: reads a source and predicts a target.
  virtual std::optional<PairTokens> pair_tokens() const { return {}; }

  /// Whether what is predicted at a token depends on no later one.
  virtual bool causal() const { return true; }

  /// Whether the published implementation is given labels that are shifted by one already (fairseq's); those
  /// of transformers shift by themselves.
  virtual bool labels_are_shifted() const { return false; }

  /// The forward graph with its loss as output `loss`. Inputs are i32 sources of category `input`:
  /// `input_ids` and `labels` [tokens]; where sequences stand one after another, `position_ids` [tokens]
  /// and `cu_seqlens` [sequences + 1]; where they are packed by time (recurrent models), `batch_sizes`
  /// [max_length]; with dropout, `seed` [3]. Models of images have instead `x` [sequences, pixels] in the
  /// batch's dtype and what fill_constants fills. Models of numbers have instead of `input_ids` the numbers
  /// `x` [tokens, input_columns()]; where sequences have one label each, `labels` is [sequences]. Models of
  /// pairs have the sources as `input_ids`, `position_ids` and `cu_seqlens`, and the targets, shifted by one,
  /// as `decoder_input_ids`, `decoder_position_ids`, `labels` [target_tokens] and `decoder_cu_seqlens`.
  /// Throws Error on a batch that cannot be.
  Graph build(const BatchSpec& batch) const;

  std::vector<ParameterSpec> parameters() const;
  int64_t parameter_count() const;
  /// Without those that a mask leaves no effect whatever the draw.
  virtual int64_t free_parameter_count() const { return parameter_count(); }

 protected:
  Model(std::string family, const nlohmann::json& config);
  virtual void add_ops(Graph& graph, const BatchSpec& batch) const = 0;

  /// An input `name` [n] of i32.
  static ValueId add_integers(Graph& graph, const std::string& name, int64_t n);

  /// Ends the graph: the output `loss` of the head `weight` [vocabulary, D], `bias` on x [tokens, D].
  void add_language_model_loss(Graph& graph, const BatchSpec& batch, ValueId x, ValueId weight,
                               ValueId labels, const std::string& module, ValueId bias = kNone,
                               double label_smoothing = 0) const;

  int64_t vocabulary_ = 0;
  int64_t pixels_ = 0;

 private:
  std::string family_;
  std::shared_ptr<const nlohmann::json> config_;
};

/// Throw Error naming the field that is missing, of a wrong type, unknown or contradictory, and what it
/// should be. `where` names the file.
std::unique_ptr<Model> load_model(const nlohmann::json& config, const std::string& where);
std::unique_ptr<Model> model_from_file(const std::string& path);
std::unique_ptr<Model> model_from_preset(const std::string& name);

std::vector<std::string> preset_names();

}  // namespace tidemark
