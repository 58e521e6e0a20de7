#include "graph/json_opaque.h"

#include <algorithm>

#include "graph/opaque.h"

namespace tidemark::graph_io {
namespace {

double input_called(const Field& name, const std::vector<Field>& inputs) {
  const std::string wanted = name.text();
  const auto found =
      std::find_if(inputs.begin(), inputs.end(), [&](const Field& i) { return i.text() == wanted; });
  if (found == inputs.end()) name.fail("'" + wanted + "' is not an input of the op");
  return static_cast<double>(found - inputs.begin());
}

}  // namespace

Attributes opaque_attributes(const Field& op) {
  const Field given = op["attributes"];
  given.expect_only({"seconds", "workspace_bytes", "recompute"});
  Attributes attributes{
      {"seconds", given["seconds"].number()},
      {"workspace_bytes", given.has("workspace_bytes") ? given["workspace_bytes"].integer() : 0},
      {"recompute", given.has("recompute") ? given["recompute"].flag() : true}};
  const std::vector<Field> inputs = op["inputs"].items(), outputs = op["outputs"].items();
  std::vector<double> bytes, aliases;
  for (size_t i = 0; i < outputs.size(); ++i) {
    const Field& output = outputs[i];
    if (const int64_t n = output["bytes"].integer(); n < 0)
      output["bytes"].fail("is negative");
    else
      bytes.push_back(static_cast<double>(n));
    const auto add = [&](const Field& name, bool always) {
      aliases.insert(aliases.end(), {static_cast<double>(i), input_called(name, inputs), always ? 1.0 : 0.0});
    };
    if (output.has("updates")) add(output["updates"], true);
    if (output.has("may_overwrite"))
      for (const Field& name : output["may_overwrite"].items()) add(name, false);
  }
  attributes.set("bytes", std::move(bytes));
  if (!aliases.empty()) attributes.set("aliases", std::move(aliases));
  return attributes;
}

void spread_opaque(const Graph& graph, const Op& op, nlohmann::json& document) {
  document["attributes"].erase("bytes");
  document["attributes"].erase("aliases");
  for (const Alias& a : aliases_of(op)) {
    const std::string& input = graph.value(op.inputs[static_cast<size_t>(a.in)]).name;
    nlohmann::json& output = document["outputs"][static_cast<size_t>(a.out)];
    if (a.required)
      output["updates"] = input;
    else
      output["may_overwrite"].push_back(input);
  }
}

}  // namespace tidemark::graph_io
