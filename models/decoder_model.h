// What decoders in the manner of Llama share: RMSNorm before each part of a layer, rotary positions, SwiGLU.
#pragma once

#include <string>

#include "models/config.h"
#include "models/model.h"

namespace tidemark {

/// Fields: hidden_size, num_hidden_layers, rms_norm_eps, initializer_range, tie_word_embeddings, vocab_size,
/// hidden_act (silu), attention_dropout (0), and the rotary ones of rope_scaling.h. The graph's inputs are
/// `input_ids`, `position_ids` and `labels` [tokens], and `cu_seqlens` [sequences + 1].
class DecoderModel : public Model {
 protected:
  static constexpr int64_t kLargestHead = 256;  ///< of the attention op

  explicit DecoderModel(const Config& config);

  /// Throws Error where the config's section on positions is bad: now, not when a batch is built.
  void check_positions(const Config& config) const;

  struct Block {  // what all layers share
    Graph& graph;
    DType dtype;
    ValueId table, cu_seqlens;
    int64_t longest;        ///< sequence
    double typical_length;  ///< of a sequence, for cost estimates
  };

  ValueId parameter(const Block& block, const std::string& name, Shape shape) const;
  /// y = x W^T (+ b) (+ residual), of "MODULE.NAME".
  ValueId project(const Block& block, const std::string& module, const std::string& name, ValueId x,
                  int64_t out, ValueId residual = kNone, bool bias = false) const;
  ValueId norm(const Block& block, const std::string& path, ValueId x, double epsilon) const;
  /// The residual plus the SwiGLU of x, `columns` wide.
  ValueId mlp(const Block& block, const std::string& module, ValueId x, int64_t columns, ValueId residual,
              bool bias = false) const;

  void add_ops(Graph& graph, const BatchSpec& batch) const override;

  int64_t hidden_, layers_;
  int64_t turned_columns_ = 0;  ///< of a head, by positions

 private:
  /// The residual plus what "MODULE" makes of x.
  virtual ValueId attention(const Block& block, const std::string& module, ValueId x,
                            ValueId residual) const = 0;
  virtual ValueId feed_forward(const Block& block, int64_t layer, const std::string& module, ValueId x,
                               ValueId residual) const = 0;

  double epsilon_, initializer_range_;
  bool tied_;
};

}  // namespace tidemark
