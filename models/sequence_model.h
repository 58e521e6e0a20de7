// What models of sequences of numbers share: x [tokens, d_input] is encoded, layers mix it over time, and a
// linear decoder makes logits of every sequence (pooled) or of every token.
#pragma once

#include "models/config.h"
#include "models/model.h"

namespace tidemark {

/// Fields: d_input, d_output, d_model, n_layers, dropout, prenorm, pooling (mean, last, none). The graph's
/// inputs are the floats `x` [tokens, d_input] in the compute dtype, `cu_seqlens` [sequences + 1], `labels`
/// [sequences] (pooling none: [tokens]) and, with dropout, `seed` [3].
class SequenceModel : public Model {
 public:
  int64_t input_columns() const override { return d_input_; }
  bool labels_sequences() const override { return pooling_ != "none"; }

 protected:
  SequenceModel(const std::string& family, const Config& config, bool prenorm);

  struct Block {  // what all layers share
    Graph& graph;
    DType dtype;
    ValueId cu_seqlens, seed;
    int64_t max_length;
  };

  ValueId parameter(const Block& block, const std::string& name, Shape shape, Initializer init) const;
  /// Of the recurrence: in f32 whatever the rest is in, since its effect grows over the sequence; without
  /// weight decay.
  ValueId recurrence_parameter(const Block& block, const std::string& name, Shape shape,
                               Initializer init) const;
  /// y = x W^T + b of "PATH.weight", "PATH.bias".
  ValueId project(const Block& block, const std::string& path, ValueId x, int64_t out, Initializer weight,
                  Initializer bias) const;
  ValueId drop(const Block& block, const std::string& name, ValueId x, int64_t site) const;
  /// x sigmoid(gate)
  ValueId gate(const Block& block, const std::string& name, ValueId x, ValueId gate) const;

  int64_t d_model_, layers_;

 private:
  /// What is added to the stream: of layer i, from the stream (with prenorm, normed).
  virtual ValueId mix(const Block& block, int64_t layer, ValueId x) const = 0;
  virtual ValueId norm(const Block& block, int64_t layer, ValueId x) const = 0;
  virtual Initializer weight_init(int64_t inputs) const = 0;
  virtual Initializer bias_init(int64_t inputs) const = 0;
  void add_ops(Graph& graph, const BatchSpec& batch) const override;

  int64_t d_input_;
  double dropout_;
  bool prenorm_;
  std::string pooling_;
};

}  // namespace tidemark
