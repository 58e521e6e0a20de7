// The encoder-decoder Transformer (Vaswani et al. 2017, arXiv 1706.03762), with the parameters of
// torch.nn.Transformer: sinusoidal positions, each sub-layer's sum normed after it (or, norm_first, its
// input), one matrix for both embeddings and the output.
#include <cmath>

#include "models/architectures.h"

namespace tidemark {
namespace {

constexpr int64_t kLargestHead = 256;  // of the attention op

class Transformer final : public Model {
 public:
  explicit Transformer(const Config& config)
      : Model("transformer", config.value()),
        d_model_(config.positive("d_model")),
        encoder_(stack(config, "encoder")),
        decoder_(stack(config, "decoder")),
        epsilon_(config.number("layer_norm_eps", 1e-5, 0, 1)),
        dropout_(config.number("dropout", 0.1, 0, 0.999)),
        label_smoothing_(config.number("label_smoothing", 0, 0, 0.999)),
        norm_first_(config.flag("norm_first", false)),
        final_norm_(config.flag("final_layer_norm", norm_first_)),
        scales_embedding_(config.flag("scale_embedding", true)) {
    vocabulary_ = config.positive("vocab_size", {}, 1 << 24);
    start_token_ = config.integer("decoder_start_token_id", 0, 0, vocabulary_ - 1);
    end_token_ = config.integer("eos_token_id", 0, 0, vocabulary_ - 1);
    config.choice("activation_function", {"relu"}, "relu");
    config.choice("position_embedding", {"sinusoidal"}, "sinusoidal");
    if (!config.flag("share_all_embeddings", true))
      throw config.error("share_all_embeddings", "separate embeddings are not supported", "set it to true");
    if (config.number("attention_dropout", 0, 0, 1) != 0)
      throw config.error("attention_dropout", "dropout of attention weights is not supported", "set it to 0");
  }

  bool labels_are_shifted() const override { return true; }
  std::optional<PairTokens> pair_tokens() const override { return PairTokens{start_token_, end_token_}; }

 private:
  struct Stack {
    int64_t layers, heads, ffn;
  };

  /// Packed sequences: how long they are, and where they begin.
  struct Sequences {
    ValueId cu_seqlens;
    double typical_length;  ///< for cost estimates
  };

  struct Block {  // what all layers share
    Graph& graph;
    DType dtype;
    ValueId seed;       ///< kNone: no dropout
    int64_t sites = 0;  ///< of dropout so far
  };

  Stack stack(const Config& config, const std::string& side) const {
    const std::string heads_field = side + "_attention_heads";
    const Stack s{config.positive(side + "_layers", {}, 1 << 12), config.positive(heads_field, {}, 1 << 16),
                  config.positive(side + "_ffn_dim")};
    if (d_model_ % s.heads != 0)
      throw config.error(heads_field,
                         std::to_string(s.heads) + " does not divide d_model " + std::to_string(d_model_),
                         "give a divisor");
    if (d_model_ / s.heads > kLargestHead)
      throw config.error(heads_field,
                         "makes heads of " + std::to_string(d_model_ / s.heads) + " columns, at most " +
                             std::to_string(kLargestHead) + " are supported",
                         "use more heads");
    return s;
  }

  ValueId parameter(const Block& block, const std::string& name, Shape shape, Initializer init) const {
    return block.graph.add_source(name, {block.dtype, shape}, Category::parameter, init);
  }

  /// "PATHweight" [rows, columns] and "PATHbias" [rows].
  struct Weights {
    ValueId weight, bias;
  };
  Weights weights(const Block& block, const std::string& path, int64_t rows, int64_t columns) const {
    const double bound = std::sqrt(6 / static_cast<double>(rows + columns));  // Glorot & Bengio 2010
    return {parameter(block, path + "weight", {rows, columns}, {Initializer::Kind::uniform, bound}),
            parameter(block, path + "bias", {rows}, {Initializer::Kind::constant, 0})};
  }

  ValueId linear(const Block& block, const std::string& name, ValueId x, const Weights& w,
                 ValueId residual = kNone, Attributes rows = {}) const {
    return block.graph.add({.kind = "linear",
                            .name = name,
                            .inputs = {x, w.weight, w.bias, residual},
                            .attributes = std::move(rows),
                            .module = name});
  }

  ValueId norm(const Block& block, const std::string& path, ValueId x) const {
    const ValueId weight = parameter(block, path + ".weight", {d_model_}, {Initializer::Kind::constant, 1});
    const ValueId bias = parameter(block, path + ".bias", {d_model_}, {Initializer::Kind::constant, 0});
    return block.graph.add({.kind = "layer_norm",
                            .name = path,
                            .inputs = {x, weight, bias},
                            .attributes = {{"epsilon", epsilon_}, {"groups", int64_t{1}}},
                            .module = path});
  }

  ValueId drop(Block& block, const std::string& name, ValueId x) const {
    if (block.seed == kNone) return x;
    return block.graph.add({.kind = "dropout",
                            .name = name,
                            .inputs = {x, block.seed},
                            .attributes = {{"probability", dropout_}, {"site", block.sites++}},
                            .module = name});
  }

  /// x + dropout(last linear layer), in one op where there is no dropout.
  ValueId add_to(Block& block, const std::string& path, ValueId y, const Weights& w, ValueId residual) const {
    if (block.seed == kNone) return linear(block, path, y, w, residual);
    const ValueId dropped = drop(block, path + ".dropout", linear(block, path, y, w));
    return block.graph.add(
        {.kind = "add", .name = path + ".residual", .inputs = {residual, dropped}, .module = path});
  }

  /// Queries of x, keys and values of `memory`.
  ValueId attention(Block& block, const std::string& path, ValueId x, const Sequences& queries,
                    ValueId memory, const Sequences& keys, bool causal, int64_t heads,
                    ValueId residual) const {
    const Weights in = weights(block, path + ".in_proj_", 3 * d_model_, d_model_);
    const auto project = [&](const char* name, ValueId from, int64_t third) {
      return linear(block, path + name, from, in, kNone,
                    {{"first_row", third * d_model_}, {"rows", d_model_}});
    };
    std::vector<ValueId> inputs = {project(".q", x, 0), project(".k", memory, 1), project(".v", memory, 2),
                                   queries.cu_seqlens};
    if (keys.cu_seqlens != queries.cu_seqlens) inputs.push_back(keys.cu_seqlens);
    const ValueId mixed =
        block.graph.add({.kind = "attention",
                         .name = path,
                         .inputs = std::move(inputs),
                         .attributes = {{"heads", heads},
                                        {"kv_heads", heads},
                                        {"causal", causal},
                                        {"scale", 1 / std::sqrt(static_cast<double>(d_model_ / heads))},
                                        {"typical_length", queries.typical_length}},
                         .module = path});
    return add_to(block, path + ".out_proj", mixed, weights(block, path + ".out_proj.", d_model_, d_model_),
                  residual);
  }

  ValueId feed_forward(Block& block, const std::string& path, int64_t ffn, ValueId x,
                       ValueId residual) const {
    const ValueId wide =
        linear(block, path + ".linear1", x, weights(block, path + ".linear1.", ffn, d_model_));
    const ValueId active = block.graph.add({.kind = "activation",
                                            .name = path + ".relu",
                                            .inputs = {wide},
                                            .attributes = {{"function", std::string("relu")}},
                                            .module = path});
    return add_to(block, path + ".linear2", drop(block, path + ".dropout", active),
                  weights(block, path + ".linear2.", d_model_, ffn), residual);
  }

  /// `memory` is kNone in the encoder; `own` and `source` are the layer's sequences and memory's.
  ValueId layer(Block& block, const std::string& path, const Stack& stack, ValueId x, const Sequences& own,
                ValueId memory, const Sequences& source) const {
    int norms = 0;
    const auto sublayer = [&](auto&& body) {
      const std::string name = path + ".norm" + std::to_string(++norms);
      const ValueId y = body(norm_first_ ? norm(block, name, x) : x);
      x = norm_first_ ? y : norm(block, name, y);
    };
    const bool decodes = memory != kNone;
    sublayer([&](ValueId in) {
      return attention(block, path + ".self_attn", in, own, in, own, decodes, stack.heads, x);
    });
    if (decodes)
      sublayer([&](ValueId in) {
        return attention(block, path + ".multihead_attn", in, own, memory, source, false, stack.heads, x);
      });
    sublayer([&](ValueId in) { return feed_forward(block, path, stack.ffn, in, x); });
    return x;
  }

  ValueId embed(Block& block, const std::string& side, ValueId ids, ValueId positions, ValueId weight) const {
    Attributes scale;
    if (scales_embedding_) scale.set("scale", std::sqrt(static_cast<double>(d_model_)));
    const ValueId x = block.graph.add({.kind = "embedding",
                                       .name = side + ".embedding",
                                       .inputs = {ids, weight},
                                       .attributes = std::move(scale),
                                       .module = side});
    const ValueId placed = block.graph.add({.kind = "sinusoidal_positions",
                                            .name = side + ".positions",
                                            .inputs = {x, positions},
                                            .attributes = {{"base", 10000.0}},
                                            .module = side});
    return drop(block, side + ".dropout", placed);
  }

  void add_ops(Graph& graph, const BatchSpec& batch) const override {
    const int64_t targets = batch.target_tokens > 0 ? batch.target_tokens : batch.tokens;
    const auto input = [&](const std::string& name, int64_t n) { return add_integers(graph, name, n); };
    const auto sequences = [&](const std::string& name, int64_t tokens) {
      return Sequences{input(name, batch.sequences + 1),
                       static_cast<double>(tokens) / static_cast<double>(batch.sequences)};
    };
    const ValueId ids = input("input_ids", batch.tokens), positions = input("position_ids", batch.tokens);
    const Sequences source = sequences("cu_seqlens", batch.tokens);
    const ValueId decoder_ids = input("decoder_input_ids", targets);
    const ValueId decoder_positions = input("decoder_position_ids", targets);
    const Sequences target = sequences("decoder_cu_seqlens", targets);
    const ValueId labels = input("labels", targets);
    Block block{graph, batch.dtype, dropout_ > 0 && !batch.inference ? input("seed", 3) : kNone};

    const double width = std::sqrt(static_cast<double>(d_model_));
    const ValueId shared =
        parameter(block, "shared.weight", {vocabulary_, d_model_}, {Initializer::Kind::normal, 1 / width});
    const auto run = [&](const std::string& side, const Stack& stack, ValueId x, const Sequences& own,
                         ValueId memory) {
      const std::string path = "transformer." + side;
      for (int64_t i = 0; i < stack.layers; ++i)
        x = layer(block, path + ".layers." + std::to_string(i), stack, x, own, memory, source);
      return final_norm_ ? norm(block, path + ".norm", x) : x;
    };
    const ValueId memory =
        run("encoder", encoder_, embed(block, "encoder", ids, positions, shared), source, kNone);
    const ValueId out = run("decoder", decoder_,
                            embed(block, "decoder", decoder_ids, decoder_positions, shared), target, memory);
    add_language_model_loss(graph, batch, out, shared, labels, "output", kNone,
                            batch.inference ? 0 : label_smoothing_);
  }

  int64_t d_model_;
  Stack encoder_, decoder_;
  double epsilon_, dropout_, label_smoothing_;
  bool norm_first_, final_norm_, scales_embedding_;
  int64_t start_token_ = 0, end_token_ = 0;
};

}  // namespace

std::unique_ptr<Model> make_transformer(const Config& config) {
  return std::make_unique<Transformer>(config);
}

}  // namespace tidemark
