#include "graph/graph.h"

#include <algorithm>

#include "base/error.h"
#include "graph/opaque.h"

namespace tidemark {
namespace {

Error op_error(const std::string& name, const std::string& why) {
  return Error("bad op", name, why);
}

/// Arity as the registry states it: optional inputs may be left out at the end or be kNone.
void check_inputs(const Graph& graph, const OpDef& def, const Graph::NewOp& op) {
  const int given = static_cast<int>(op.inputs.size());
  if (given < def.min_inputs() || (!def.variadic() && given > static_cast<int>(def.input_names.size())))
    throw op_error(op.name, "'" + op.kind + "' takes " + std::to_string(def.min_inputs()) + " to " +
                                std::to_string(def.input_names.size()) + " inputs, not " +
                                std::to_string(given));
  for (int i = 0; i < given; ++i) {
    const ValueId id = op.inputs[static_cast<size_t>(i)];
    const bool optional = !def.variadic() && def.input_names[static_cast<size_t>(i)].back() == '?';
    if (id == kNone && optional) continue;
    if (id < 0 || id >= static_cast<int>(graph.values().size()))
      throw op_error(op.name, "input " + std::to_string(i) + " is not a value of this graph");
  }
}

}  // namespace

ValueId Graph::add_source(const std::string& name, TensorType type, Category category, Initializer init,
                          ParameterGroup group) {
  for (int i = 0; i < type.shape.rank(); ++i)
    if (type.shape[i] <= 0)
      throw Error("bad value", name, "shape " + type.shape.text() + " has a dimension that is not positive");
  Value value{name, type, category, kNone, init, group};
  return append(std::move(value));
}

ValueId Graph::append(Value value) {
  const auto id = static_cast<ValueId>(values_.size());
  if (!by_name_.emplace(value.name, id).second)
    throw Error("bad value", value.name, "the name is used twice in one graph");
  values_.push_back(std::move(value));
  return id;
}

OpId Graph::add_op(NewOp op) {
  const OpDef& def = find_op(op.kind, op.name);
  check_inputs(*this, def, op);
  Op made{op.name, &def, std::move(op.attributes), std::move(op.inputs), {}, op.module, op.phase, op.source};
  if (!def.variadic()) made.inputs.resize(def.input_names.size(), kNone);

  std::vector<TensorType> types;
  try {
    types = def.infer(OpView(*this, made));
  } catch (const Error& e) {
    throw op_error(op.name, std::string(e.what()));
  }
  if (def.variadic_outputs() ? types.size() != op.outputs.size() : types.size() != def.output_names.size())
    throw op_error(op.name, "there is not one name for each output");
  const auto id = static_cast<OpId>(ops_.size());
  const std::vector<Alias> aliases = aliases_of(made);
  for (size_t i = 0; i < types.size(); ++i) {
    if (types[i].shape.rank() == 0) {  // an optional output that this op does not have
      made.outputs.push_back(kNone);
      continue;
    }
    Category category = op.category;
    for (const Alias& a : aliases)
      if (a.required && a.out == static_cast<int>(i) && made.inputs.at(static_cast<size_t>(a.in)) != kNone)
        category = value(made.inputs[static_cast<size_t>(a.in)]).category;
    const std::string name =
        def.variadic_outputs() ? op.outputs[i]
        : i == 0               ? op.name
                 : op.name + ":" + std::string(def.output_names[i].substr(0, def.output_names[i].find('?')));
    made.outputs.push_back(append(Value{name, types[i], category, id, {}, {}}));
  }
  ops_.push_back(std::move(made));
  return id;
}

ValueId Graph::add(NewOp new_op) {
  return op(add_op(std::move(new_op))).outputs.front();
}

ValueId Graph::find(const std::string& value_name) const {
  const auto it = by_name_.find(value_name);
  return it == by_name_.end() ? kNone : it->second;
}

ValueId Graph::require(const std::string& value_name) const {
  const ValueId id = find(value_name);
  if (id == kNone) throw Error("bad graph", name_, "there is no value '" + value_name + "'");
  return id;
}

std::vector<ValueId> Graph::sources(Category category) const {
  std::vector<ValueId> ids;
  for (size_t i = 0; i < values_.size(); ++i)
    if (values_[i].producer == kNone && values_[i].category == category)
      ids.push_back(static_cast<ValueId>(i));
  return ids;
}

std::vector<ValueId> Graph::trained_parameters() const {
  std::vector<ValueId> ids = sources(Category::parameter);
  std::erase_if(ids, [&](ValueId id) { return !value(id).group.trained; });
  return ids;
}

int64_t Graph::parameter_count() const {
  int64_t n = 0;
  for (ValueId id : trained_parameters()) n += value(id).type.shape.elements();
  return n;
}

std::vector<std::vector<OpId>> Graph::consumers() const {
  std::vector<std::vector<OpId>> readers(values_.size());
  for (size_t i = 0; i < ops_.size(); ++i)
    for (ValueId v : ops_[i].inputs)
      if (v != kNone && (readers[static_cast<size_t>(v)].empty() ||
                         readers[static_cast<size_t>(v)].back() != static_cast<OpId>(i)))
        readers[static_cast<size_t>(v)].push_back(static_cast<OpId>(i));
  return readers;
}

}  // namespace tidemark
