#include "models/model.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/json_file.h"
#include "graph/cpu_workspace.h"
#include "graph/stacked.h"
#include "models/architectures.h"
#include "models/presets.h"

namespace tidemark {
namespace {

constexpr const char* kWhat = "cannot build the model";

void check(const BatchSpec& batch) {
  const auto bad = [](const std::string& field, const std::string& why, const std::string& remedy) {
    return Error(kWhat, "batch " + field, why, remedy);
  };
  constexpr int64_t kMost = (int64_t{1} << 31) - 2;  // positions are 32-bit
  if (batch.tokens < 1 || batch.tokens > kMost) throw bad("tokens", "out of range", "give 1 to 2^31-2");
  if (batch.sequences < 1 || batch.sequences > batch.tokens)
    throw bad("sequences", "out of range", "give 1 to the number of tokens");
  if (batch.max_length < 1 || batch.max_length > std::max(batch.tokens, batch.target_tokens))
    throw bad("length", "out of range", "give 1 to the number of tokens");
  if (batch.sequences * batch.max_length < batch.tokens)
    throw bad("tokens",
              std::to_string(batch.sequences) + " sequences of at most " + std::to_string(batch.max_length) +
                  " do not fill " + std::to_string(batch.tokens),
              "allow more or longer sequences");
  if (batch.target_tokens < 0 || batch.target_tokens > kMost ||
      batch.sequences * batch.max_length < batch.target_tokens)
    throw bad("target tokens", "out of range", "give at most what the sequences can hold");
  if (batch.loss_chunk_rows < 0) throw bad("loss chunk", "is negative", "give a number of tokens, or 0");
  if (batch.dtype == DType::i32) throw bad("dtype", "i32 cannot be trained", "use f32 or bf16");
}

}  // namespace

Model::Model(std::string family, const nlohmann::json& config)
    : family_(std::move(family)), config_(std::make_shared<const nlohmann::json>(config)) {}

Graph Model::build(const BatchSpec& batch) const {
  check(batch);
  Graph graph(family_);
  add_ops(graph, batch);
  return graph;
}

ValueId Model::add_integers(Graph& graph, const std::string& name, int64_t n) {
  return graph.add_source(name, {DType::i32, {n}}, Category::input);
}

void Model::add_language_model_loss(Graph& graph, const BatchSpec& batch, ValueId x, ValueId weight,
                                    ValueId labels, const std::string& module, ValueId bias,
                                    double label_smoothing) const {
  const int64_t tokens = graph.value(x).type.shape[0];
  const int64_t rows = batch.loss_chunk_rows > 0 ? std::min(batch.loss_chunk_rows, tokens)
                                                 : cpu::cross_entropy_chunk_rows(tokens, vocabulary_);
  Attributes attributes{{"chunk_rows", rows}};
  if (label_smoothing > 0) attributes.set("label_smoothing", label_smoothing);
  graph.mark_output(graph.add({.kind = "linear_cross_entropy",
                               .name = "loss",
                               .inputs = {x, weight, labels, bias},
                               .attributes = std::move(attributes),
                               .module = module}));
}

void Model::fill_constants(int64_t, const IntegerInputs&) const {}

std::vector<int32_t> Model::pixel_order(int64_t) const {
  return {};
}

std::vector<ParameterSpec> Model::parameters() const {
  const Graph graph = build({.tokens = 1, .sequences = 1, .max_length = 1});
  std::vector<ParameterSpec> parameters;
  for (const ValueId id : graph.sources(Category::parameter)) {
    const Value& value = graph.value(id);
    for (const PublishedTensor& tensor : published_tensors(value.name, value.type))
      parameters.push_back({tensor.name, tensor.type.shape, value.init});
  }
  return parameters;
}

int64_t Model::parameter_count() const {
  return build({.tokens = 1, .sequences = 1, .max_length = 1}).parameter_count();
}

std::unique_ptr<Model> load_model(const nlohmann::json& json, const std::string& where) {
  const Config config(json, where);
  const std::string type = config.text("model_type");
  std::string known;
  for (const Architecture& architecture : architectures()) {
    if (architecture.model_type == type) return architecture.make(config);
    known += (known.empty() ? "" : ", ") + architecture.model_type;
  }
  throw config.error("model_type", "'" + type + "' is unknown", "give one of: " + known);
}

std::unique_ptr<Model> model_from_file(const std::string& path) {
  return load_model(read_python_json(path, kWhat), path);
}

std::unique_ptr<Model> model_from_preset(const std::string& name) {
  const auto found = preset_configs().find(name);
  if (found != preset_configs().end())
    return load_model(parse_python_json(found->second, "preset " + name, kWhat), "preset " + name);
  std::string known;
  for (const std::string& preset : preset_names()) known += (known.empty() ? "" : ", ") + preset;
  throw Error(kWhat, "preset '" + name + "'", "unknown", "give one of: " + known);
}

std::vector<std::string> preset_names() {
  std::vector<std::string> names;
  for (const auto& [name, text] : preset_configs()) names.push_back(name);
  return names;
}

}  // namespace tidemark
