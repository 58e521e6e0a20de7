#include <nlohmann/json.hpp>

#include "base/error.h"
#include "graph/op_def.h"
#include "graph/serialize.h"

using nlohmann::json;

namespace tidemark {
namespace {

constexpr int kVersion = 1;
constexpr const char* kInitializerNames[] = {"none", "constant", "normal", "uniform"};

json to_json(const TensorType& type) {
  json dims = json::array();
  for (int i = 0; i < type.shape.rank(); ++i) dims.push_back(type.shape[i]);
  return {{"dtype", name_of(type.dtype)}, {"shape", dims}};
}

json to_json(const Attributes& attributes) {
  json out = json::object();
  for (const auto& [name, value] : attributes.entries())
    std::visit([&, &key = name](const auto& v) { out[key] = v; }, value);
  return out;
}

/// A field of a JSON object, read with errors that say which.
class Field {
 public:
  Field(const json& value, std::string path) : value_(value), path_(std::move(path)) {}

  Field operator[](const char* key) const {
    if (!value_.is_object() || !value_.contains(key)) fail(std::string("the field '") + key + "' is missing");
    return {value_.at(key), path_ + "." + key};
  }
  bool has(const char* key) const { return value_.is_object() && value_.contains(key); }
  std::vector<Field> items() const {
    if (!value_.is_array()) fail("is not a list");
    std::vector<Field> out;
    for (size_t i = 0; i < value_.size(); ++i)
      out.emplace_back(value_[i], path_ + "[" + std::to_string(i) + "]");
    return out;
  }
  std::string text() const {
    if (!value_.is_string()) fail("is not a string");
    return value_.get<std::string>();
  }
  int64_t integer() const {
    if (!value_.is_number_integer()) fail("is not an integer");
    return value_.get<int64_t>();
  }
  double number() const {
    if (!value_.is_number()) fail("is not a number");
    return value_.get<double>();
  }
  bool flag() const {
    if (!value_.is_boolean()) fail("is neither true nor false");
    return value_.get<bool>();
  }
  const json& raw() const { return value_; }
  const std::string& path() const { return path_; }
  [[noreturn]] void fail(const std::string& why) const { throw Error("bad graph", path_, why); }

 private:
  const json& value_;
  std::string path_;
};

TensorType type_from(const Field& field) {
  TensorType type;
  type.dtype = dtype_from(field["dtype"].text(), field.path() + ".dtype");
  const auto dims = field["shape"].items();
  if (dims.empty() || dims.size() > static_cast<size_t>(Shape::kMaxRank))
    field.fail("has " + std::to_string(dims.size()) + " dimensions, not 1 to 4");
  double elements = 1;
  for (const Field& d : dims) {
    const int64_t n = d.integer();
    if (n <= 0) d.fail("is not positive");
    elements *= static_cast<double>(n);
    type.shape.append(n);
  }
  if (elements * 4 > 9e18) field.fail("has more than 2^63 bytes");
  return type;
}

Attributes attributes_from(const Field& field) {
  Attributes out;
  if (!field.raw().is_object()) field.fail("is not an object");
  for (const auto& [name, value] : field.raw().items()) {
    if (value.is_boolean())
      out.set(name, value.get<bool>());
    else if (value.is_number_integer())
      out.set(name, value.get<int64_t>());
    else if (value.is_number())
      out.set(name, value.get<double>());
    else if (value.is_string())
      out.set(name, value.get<std::string>());
    else if (value.is_array()) {
      std::vector<double> numbers;
      for (const Field& n : Field(value, field.path() + "." + name).items()) numbers.push_back(n.number());
      out.set(name, numbers);
    } else
      field.fail("'" + name + "' is neither a constant nor a list of numbers");
  }
  return out;
}

Initializer initializer_from(const Field& field) {
  const std::string kind = field["kind"].text();
  for (int i = 0; i < 4; ++i)
    if (kind == kInitializerNames[i]) return {static_cast<Initializer::Kind>(i), field["scale"].number()};
  field.fail("unknown initializer '" + kind + "'");
}

ParameterGroup group_from(const Field& field) {
  return {field["decays"].flag(), field["learning_rate_scale"].number()};
}

std::vector<ValueId> ids_from(const Graph& graph, const Field& field) {
  std::vector<ValueId> ids;
  for (const Field& item : field.items()) {
    if (item.raw().is_null()) {
      ids.push_back(kNone);
      continue;
    }
    ids.push_back(graph.find(item.text()));
    if (ids.back() == kNone) item.fail("no earlier value is called '" + item.text() + "'");
  }
  return ids;
}

json names_of(const Graph& graph, const std::vector<ValueId>& ids) {
  json out = json::array();
  for (ValueId id : ids) out.push_back(id == kNone ? json() : json(graph.value(id).name));
  return out;
}

uint64_t fnv1a(uint64_t hash, const std::string& text) {
  for (unsigned char c : text) hash = (hash ^ c) * 0x100000001b3ull;
  return hash;
}

}  // namespace

json to_json(const Graph& graph) {
  json sources = json::array(), ops = json::array();
  for (const Value& v : graph.values()) {
    if (v.producer != kNone) continue;
    json s = {{"name", v.name}, {"type", to_json(v.type)}, {"category", name_of(v.category)}};
    if (v.init.kind != Initializer::Kind::none)
      s["init"] = {{"kind", kInitializerNames[static_cast<int>(v.init.kind)]}, {"scale", v.init.scale}};
    if (v.group != ParameterGroup{})
      s["group"] = {{"decays", v.group.decays}, {"learning_rate_scale", v.group.learning_rate_scale}};
    sources.push_back(std::move(s));
  }
  for (const Op& op : graph.ops()) {
    json outputs = json::array();
    for (ValueId id : op.outputs) {
      if (id == kNone) {
        outputs.push_back(nullptr);
        continue;
      }
      const Value& v = graph.value(id);
      outputs.push_back({{"name", v.name}, {"type", to_json(v.type)}, {"category", name_of(v.category)}});
    }
    json j = {{"name", op.name},
              {"op", op.def->name},
              {"inputs", names_of(graph, op.inputs)},
              {"outputs", outputs},
              {"attributes", to_json(op.attributes)},
              {"module", op.module},
              {"phase", name_of(op.phase)}};
    if (op.source != kNone) j["source"] = graph.op(op.source).name;
    ops.push_back(std::move(j));
  }
  return {{"tidemark_graph", kVersion},
          {"name", graph.name()},
          {"sources", sources},
          {"ops", ops},
          {"outputs", names_of(graph, graph.outputs())}};
}

Graph graph_from_json(const json& document, const std::string& where) {
  const Field root(document, where);
  if (const int64_t version = root["tidemark_graph"].integer(); version != kVersion)
    root["tidemark_graph"].fail("is version " + std::to_string(version) + ", this program reads version " +
                                std::to_string(kVersion));
  Graph graph(root["name"].text());
  for (const Field& s : root["sources"].items())
    graph.add_source(s["name"].text(), type_from(s["type"]),
                     category_from(s["category"].text(), s.path() + ".category"),
                     s.has("init") ? initializer_from(s["init"]) : Initializer{},
                     s.has("group") ? group_from(s["group"]) : ParameterGroup{});
  std::unordered_map<std::string, OpId> op_ids;
  for (const Field& o : root["ops"].items()) {
    OpId source = kNone;
    if (o.has("source")) {
      const auto it = op_ids.find(o["source"].text());
      if (it == op_ids.end()) o["source"].fail("no earlier op is called '" + o["source"].text() + "'");
      source = it->second;
    }
    const auto outputs = o["outputs"].items();
    Graph::NewOp made{o["op"].text(),
                      o["name"].text(),
                      ids_from(graph, o["inputs"]),
                      attributes_from(o["attributes"]),
                      o["module"].text(),
                      phase_from(o["phase"].text(), o.path() + ".phase"),
                      source};
    if (find_op(made.kind, made.name).variadic_outputs())
      for (const Field& output : outputs) made.outputs.push_back(output["name"].text());
    const OpId id = graph.add_op(std::move(made));
    op_ids[o["name"].text()] = id;
    const Op& op = graph.op(id);
    if (outputs.size() != op.outputs.size()) o["outputs"].fail("has another number of outputs than the op");
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (outputs[i].raw().is_null() != (op.outputs[i] == kNone))
        outputs[i].fail("is optional and does not match");
      if (op.outputs[i] == kNone) continue;
      const Value& v = graph.value(op.outputs[i]);
      if (outputs[i]["name"].text() != v.name) outputs[i].fail("should be called '" + v.name + "'");
      if (type_from(outputs[i]["type"]) != v.type) outputs[i].fail("should be " + v.type.text());
      graph.set_category(op.outputs[i],
                         category_from(outputs[i]["category"].text(), outputs[i].path() + ".category"));
    }
  }
  for (ValueId id : ids_from(graph, root["outputs"])) {
    if (id == kNone) root["outputs"].fail("has an absent value");
    graph.mark_output(id);
  }
  validate(graph);
  return graph;
}

std::string fingerprint(const Graph& graph) {
  uint64_t hash = 0xcbf29ce484222325ull;
  json document = to_json(graph);
  document.erase("name");
  hash = fnv1a(hash, document.dump());
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
  return text;
}

}  // namespace tidemark
