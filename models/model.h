// A model: from a Hugging Face style config.json to the forward graph of a batch.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
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

  /// The forward graph with its loss as output `loss`. Inputs are i32 sources of category `input`:
  /// `input_ids` and `labels` [tokens]; where sequences stand one after another, `position_ids` [tokens]
  /// and `cu_seqlens` [sequences + 1]; where they are packed by time (recurrent models), `batch_sizes`
  /// [max_length]; with dropout, `seed` [2]. Throws Error on a batch that cannot be.
  Graph build(const BatchSpec& batch) const;

  std::vector<ParameterSpec> parameters() const;
  int64_t parameter_count() const;

 protected:
  Model(std::string family, const nlohmann::json& config);
  virtual void add_ops(Graph& graph, const BatchSpec& batch) const = 0;

  /// Ends the graph: the output `loss` of the head `weight` [vocabulary, D], `bias` on x [tokens, D].
  void add_language_model_loss(Graph& graph, ValueId x, ValueId weight, ValueId labels,
                               const std::string& module, ValueId bias = kNone) const;

  int64_t vocabulary_ = 0;

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
