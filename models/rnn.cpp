// Recurrent language models as PyTorch builds them: embedding, stacked RNN (Elman), LSTM (Hochreiter &
// Schmidhuber 1997) or GRU (Cho et al. 2014) layers over packed sequences, and a linear decoder. Dropout
// stands after the embedding, between layers and after the last one (Zaremba et al., arXiv 1409.2329).
#include <cmath>

#include "models/architectures.h"

namespace tidemark {
namespace {

class RecurrentModel final : public Model {
 public:
  explicit RecurrentModel(const Config& config)
      : Model(config.text("model_type"), config.value()),
        gates_(family() == "lstm"  ? 4
               : family() == "gru" ? 3
                                   : 1),
        hidden_(config.positive("hidden_size")),
        layers_(config.positive("num_layers", 1, 1 << 12)),
        dropout_(config.number("dropout", 0, 0, 0.999)),
        bias_(config.flag("bias", true)),
        bidirectional_(config.flag("bidirectional", false)),
        tied_(config.flag("tie_word_embeddings", false)) {
    vocabulary_ = config.positive("vocab_size", {}, 1 << 24);
    embedding_ = config.positive(config.has("embedding_dim") ? "embedding_dim" : "input_size");
    if (config.positive("input_size", embedding_) != embedding_)
      throw config.error("input_size",
                         std::to_string(config.positive("input_size")) + " is not embedding_dim " +
                             std::to_string(embedding_),
                         "give them the same value or only one of them");
    if (family() == "rnn") {
      nonlinearity_ = config.choice("nonlinearity", {"tanh", "relu"}, "tanh");
      starts_as_identity_ =
          config.choice("recurrent_initializer", {"uniform", "identity"}, "uniform") == "identity";
    }
    config.choice("task", {"lm"}, "lm");
    if (config.number("proj_size", 0, 0, 1e9) != 0)
      throw config.error("proj_size", "projected LSTMs are not supported", "set it to 0");
    if (tied_ && embedding_ != width())
      throw config.error("tie_word_embeddings",
                         "the embedding has " + std::to_string(embedding_) + " columns, the decoder " +
                             std::to_string(width()),
                         "make input_size equal to the layers' output or set it to false");
  }

  bool causal() const override { return !bidirectional_; }

 private:
  int64_t width() const { return bidirectional_ ? 2 * hidden_ : hidden_; }
  Initializer uniform(double bound) const { return {Initializer::Kind::uniform, bound}; }

  /// The unit matrix (Le, Jaitly & Hinton, arXiv 1504.00941): from one row's one to the next it is hidden_ +
  /// 1 elements.
  Initializer identity() const {
    Initializer table{Initializer::Kind::table};
    table.values.assign(static_cast<size_t>(hidden_) + 1, 0);
    table.values.front() = 1;
    return table;
  }

  struct Inputs {
    ValueId batch_sizes, seed;
    const BatchSpec& batch;
  };

  ValueId drop(Graph& graph, const Inputs& inputs, const std::string& name, ValueId x, int64_t site) const {
    if (inputs.seed == kNone) return x;
    return graph.add({.kind = "dropout",
                      .name = name,
                      .inputs = {x, inputs.seed},
                      .attributes = {{"probability", dropout_}, {"site", site}},
                      .module = name});
  }

  /// One direction of one layer: the input's share of the gates for all steps, then the recurrence.
  ValueId direction(Graph& graph, const Inputs& inputs, int64_t layer, bool reverse, ValueId x,
                    int64_t columns) const {
    const std::string suffix = "_l" + std::to_string(layer) + (reverse ? "_reverse" : "");
    const std::string module = "rnn.l" + std::to_string(layer) + (reverse ? "_reverse" : "");
    const int64_t rows = gates_ * hidden_;
    const Initializer init = uniform(1 / std::sqrt(static_cast<double>(hidden_)));
    const auto parameter = [&](const std::string& name, Shape shape, const Initializer& start) {
      return graph.add_source("rnn." + name + suffix, {inputs.batch.dtype, shape}, Category::parameter,
                              start);
    };
    const ValueId weight_ih = parameter("weight_ih", {rows, columns}, init);
    const ValueId weight_hh =
        parameter("weight_hh", {rows, hidden_}, starts_as_identity_ ? identity() : init);
    const ValueId bias_ih = bias_ ? parameter("bias_ih", {rows}, init) : kNone;
    const ValueId bias_hh = bias_ ? parameter("bias_hh", {rows}, init) : kNone;
    const ValueId projected = graph.add(
        {.kind = "linear", .name = module + ".input", .inputs = {x, weight_ih, bias_ih}, .module = module});
    Attributes attributes = {{"reverse", reverse}, {"max_batch", inputs.batch.sequences}};
    if (gates_ == 1) attributes.set("nonlinearity", nonlinearity_);
    return graph.add({.kind = family() + "_layer",
                      .name = module,
                      .inputs = {projected, weight_hh, bias_hh, inputs.batch_sizes},
                      .attributes = attributes,
                      .module = module});
  }

  void add_ops(Graph& graph, const BatchSpec& batch) const override {
    const auto parameter = [&](const std::string& name, Shape shape, Initializer init) {
      return graph.add_source(name, {batch.dtype, shape}, Category::parameter, init);
    };
    const ValueId ids = add_integers(graph, "input_ids", batch.tokens);
    const ValueId labels = add_integers(graph, "labels", batch.tokens);
    const Inputs inputs{add_integers(graph, "batch_sizes", batch.max_length),
                        dropout_ > 0 && !batch.inference ? add_integers(graph, "seed", 3) : kNone, batch};

    const ValueId encoder = parameter("encoder.weight", {vocabulary_, embedding_}, uniform(0.1));
    ValueId x =
        graph.add({.kind = "embedding", .name = "encoder", .inputs = {ids, encoder}, .module = "encoder"});
    x = drop(graph, inputs, "drop.embedding", x, 0);
    for (int64_t layer = 0; layer < layers_; ++layer) {
      const int64_t columns = layer == 0 ? embedding_ : width();
      const ValueId forward = direction(graph, inputs, layer, false, x, columns);
      if (bidirectional_) {
        const ValueId backward = direction(graph, inputs, layer, true, x, columns);
        const std::string name = "rnn.l" + std::to_string(layer) + ".concat";
        x = graph.add(
            {.kind = "concat_columns", .name = name, .inputs = {forward, backward}, .module = "rnn"});
      } else {
        x = forward;
      }
      x = drop(graph, inputs, "drop.l" + std::to_string(layer), x, layer + 1);
    }
    const ValueId decoder =
        tied_ ? encoder : parameter("decoder.weight", {vocabulary_, width()}, uniform(0.1));
    const ValueId bias = parameter("decoder.bias", {vocabulary_}, {Initializer::Kind::constant, 0});
    add_language_model_loss(graph, batch, x, decoder, labels, "decoder", bias);
  }

  int64_t gates_, hidden_, layers_;
  double dropout_;
  bool bias_, bidirectional_, tied_, starts_as_identity_ = false;
  int64_t embedding_ = 0;
  std::string nonlinearity_;
};

}  // namespace

std::unique_ptr<Model> make_rnn(const Config& config) {
  return std::make_unique<RecurrentModel>(config);
}

}  // namespace tidemark
