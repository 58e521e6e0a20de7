#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_file.h"
#include "graph/json_field.h"
#include "graph/json_opaque.h"
#include "graph/op_def.h"
#include "graph/opaque.h"
#include "graph/serialize.h"

using nlohmann::json;
using tidemark::graph_io::Field;

namespace tidemark {
namespace {

constexpr int kVersion = 1;
constexpr const char* kInitializerNames[] = {"none",        "constant",  "normal",   "uniform",
                                             "log_index",   "time_step", "index",    "log_time_step",
                                             "log_uniform", "log_decay", "log_gain", "table"};

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

/// Of a source or an output. Bytes whose meaning nobody knows are written as their number alone.
void set_type(json& document, const TensorType& type) {
  if (type.dtype == DType::u8 && type.shape.rank() == 1)
    document["bytes"] = type.shape[0];
  else
    document["type"] = to_json(type);
}

TensorType type_from(const Field& field) {
  field.expect_only({"dtype", "shape"});
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

/// Of a source or an output.
TensorType value_type_from(const Field& value) {
  if (!value.has("bytes")) return type_from(value["type"]);
  if (value.has("type")) value.fail("has both 'bytes' and a 'type'", "leave one out");
  const int64_t bytes = value["bytes"].integer();
  if (bytes < 0) value["bytes"].fail("is negative");
  return {DType::u8, {bytes}};
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
  field.expect_only({"kind", "scale", "low", "values"});
  const std::string kind = field["kind"].text();
  for (size_t i = 0; i < std::size(kInitializerNames); ++i) {
    if (kind != kInitializerNames[i]) continue;
    Initializer init{static_cast<Initializer::Kind>(i), field["scale"].number(),
                     field.has("low") ? field["low"].number() : 0};
    if (field.has("values"))
      for (const Field& value : field["values"].items()) init.values.push_back(value.number());
    if (init.kind == Initializer::Kind::table && init.values.empty()) field.fail("a table without 'values'");
    return init;
  }
  field.fail("unknown initializer '" + kind + "'");
}

ParameterGroup group_from(const Field& field) {
  field.expect_only({"decays", "learning_rate_scale", "trained", "sign_step"});
  return {field["decays"].flag(), field["learning_rate_scale"].number(),
          !field.has("trained") || field["trained"].flag(),
          field.has("sign_step") ? field["sign_step"].number() : 0};
}

std::vector<ValueId> ids_from(const Graph& graph, const Field& field) {
  std::vector<ValueId> ids;
  for (const Field& item : field.items()) {
    if (item.raw().is_null()) {
      ids.push_back(kNone);
      continue;
    }
    ids.push_back(graph.find(item.text()));
    if (ids.back() == kNone)
      item.fail("no source or earlier op makes '" + item.text() + "'",
                "list each op behind all whose values it reads; a cycle has no such order");
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
    json s = {{"name", v.name}, {"category", name_of(v.category)}};
    set_type(s, v.type);
    if (v.init.kind != Initializer::Kind::none)
      s["init"] = {{"kind", kInitializerNames[static_cast<int>(v.init.kind)]}, {"scale", v.init.scale}};
    if (v.init.low != 0) s["init"]["low"] = v.init.low;
    if (!v.init.values.empty()) s["init"]["values"] = v.init.values;
    if (v.group != ParameterGroup{})
      s["group"] = {{"decays", v.group.decays}, {"learning_rate_scale", v.group.learning_rate_scale}};
    if (!v.group.trained) s["group"]["trained"] = false;
    if (v.group.sign_step != 0) s["group"]["sign_step"] = v.group.sign_step;
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
      json& output = outputs.emplace_back(json{{"name", v.name}, {"category", name_of(v.category)}});
      set_type(output, v.type);
    }
    json j = {{"name", op.name},
              {"op", op.def->name},
              {"inputs", names_of(graph, op.inputs)},
              {"outputs", outputs},
              {"attributes", to_json(op.attributes)},
              {"module", op.module},
              {"phase", name_of(op.phase)}};
    if (op.source != kNone) j["source"] = graph.op(op.source).name;
    if (is_opaque(op)) graph_io::spread_opaque(graph, op, j);
    ops.push_back(std::move(j));
  }
  return {{"tidemark_graph", kVersion},
          {"name", graph.name()},
          {"sources", sources},
          {"ops", ops},
          {"outputs", names_of(graph, graph.outputs())}};
}

namespace {

class Reader {
 public:
  Reader(const json& document, const std::string& where) : root_(document, where) {}

  Graph run() {
    root_.expect_only({"tidemark_graph", "name", "sources", "ops", "outputs"});
    if (const int64_t version = root_["tidemark_graph"].integer(); version != kVersion)
      root_["tidemark_graph"].fail("is version " + std::to_string(version) + ", this program reads version " +
                                   std::to_string(kVersion));
    graph_ = Graph(root_["name"].text());
    for (const Field& s : root_["sources"].items()) add_source(s);
    const std::vector<Field> ops = root_["ops"].items();
    if (ops.empty()) root_["ops"].fail("is empty: there is nothing to plan");
    for (const Field& o : ops) add_op(o);
    for (ValueId id : ids_from(graph_, root_["outputs"])) {
      if (id == kNone) root_["outputs"].fail("has an absent value");
      graph_.mark_output(id);
    }
    validate(graph_);
    return std::move(graph_);
  }

 private:
  void add_source(const Field& s) {
    s.expect_only({"name", "type", "bytes", "category", "init", "group"});
    graph_.add_source(s["name"].text(), value_type_from(s),
                      category_from(s["category"].text(), s.path() + ".category"),
                      s.has("init") ? initializer_from(s["init"]) : Initializer{},
                      s.has("group") ? group_from(s["group"]) : ParameterGroup{});
  }

  OpId source_of(const Field& o) const {
    if (!o.has("source")) return kNone;
    const auto found = op_ids_.find(o["source"].text());
    if (found == op_ids_.end()) o["source"].fail("no earlier op is called '" + o["source"].text() + "'");
    return found->second;
  }

  void add_op(const Field& o) {
    o.expect_only({"op", "name", "inputs", "outputs", "attributes", "module", "phase", "source"});
    Graph::NewOp made{.kind = o["op"].text(),
                      .name = o["name"].text(),
                      .inputs = ids_from(graph_, o["inputs"]),
                      .module = o.has("module") ? o["module"].text() : "",
                      .phase = phase_from(o["phase"].text(), o.path() + ".phase"),
                      .source = source_of(o)};
    const bool opaque = find_op(made.kind, made.name).variadic_outputs();
    made.attributes = opaque ? graph_io::opaque_attributes(o) : attributes_from(o["attributes"]);
    const std::vector<Field> outputs = o["outputs"].items();
    if (opaque)
      for (const Field& output : outputs) made.outputs.push_back(output["name"].text());
    const OpId id = graph_.add_op(std::move(made));
    if (!op_ids_.emplace(o["name"].text(), id).second) o["name"].fail("is the name of two ops");
    if (outputs.size() != graph_.op(id).outputs.size())
      o["outputs"].fail("has another number of outputs than the op");
    for (size_t i = 0; i < outputs.size(); ++i) check_output(outputs[i], graph_.op(id).outputs[i], opaque);
  }

  void check_output(const Field& output, ValueId id, bool opaque) {
    if (output.raw().is_null() != (id == kNone)) output.fail("is optional and does not match");
    if (id == kNone) return;
    if (opaque)
      output.expect_only({"name", "bytes", "category", "updates", "may_overwrite"});
    else
      output.expect_only({"name", "type", "category"});
    const Value& v = graph_.value(id);
    if (output["name"].text() != v.name) output.fail("should be called '" + v.name + "'");
    if (value_type_from(output) != v.type) output.fail("should be " + v.type.text());
    if (output.has("category"))
      graph_.set_category(id, category_from(output["category"].text(), output.path() + ".category"));
  }

  Field root_;
  Graph graph_;
  std::unordered_map<std::string, OpId> op_ids_;
};

}  // namespace

Graph graph_from_json(const json& document, const std::string& where) {
  return Reader(document, where).run();
}

Graph load_graph(const std::string& path) {
  return graph_from_json(read_python_json(path, "bad graph"), path);
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
