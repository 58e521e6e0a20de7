#include <ostream>

#include "base/units.h"
#include "graph/op_def.h"
#include "graph/serialize.h"

namespace tidemark {
namespace {

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (char c : text) out += (c == '"' || c == '\\') ? std::string("\\") + c : std::string(1, c);
  return out + "\"";
}

struct AttributeText {
  std::string operator()(bool b) const { return b ? "true" : "false"; }
  std::string operator()(int64_t n) const { return std::to_string(n); }
  std::string operator()(double d) const {
    std::string s = std::to_string(d);
    while (s.back() == '0' && s[s.size() - 2] != '.') s.pop_back();
    return s;
  }
  std::string operator()(const std::string& s) const { return s; }
  std::string operator()(const std::vector<double>& v) const { return std::to_string(v.size()) + " numbers"; }
};

}  // namespace

void write_text(std::ostream& out, const Graph& graph) {
  out << "graph " << graph.name() << "\n";
  for (const Value& v : graph.values())
    if (v.producer == kNone)
      out << "  %" << v.name << " " << v.type.text() << " = " << name_of(v.category) << "\n";
  Phase phase = Phase::prepare;
  for (const Op& op : graph.ops()) {
    if (op.phase != phase) out << "  -- " << name_of(op.phase) << "\n";
    phase = op.phase;
    out << "  ";
    for (size_t i = 0; i < op.outputs.size(); ++i) {
      if (i) out << ", ";
      if (op.outputs[i] == kNone)
        out << "_";
      else
        out << "%" << graph.value(op.outputs[i]).name << " " << graph.value(op.outputs[i]).type.text();
    }
    out << " = " << op.def->name << "(";
    for (size_t i = 0; i < op.inputs.size(); ++i)
      out << (i ? ", " : "") << (op.inputs[i] == kNone ? "_" : "%" + graph.value(op.inputs[i]).name);
    out << ")";
    for (const auto& [name, value] : op.attributes.entries())
      out << " " << name << "=" << std::visit(AttributeText{}, value);
    if (!op.module.empty()) out << "  # " << op.module;
    out << "\n";
  }
  for (ValueId id : graph.outputs()) out << "  return %" << graph.value(id).name << "\n";
}

void write_graphviz(std::ostream& out, const Graph& graph) {
  out << "digraph " << quoted(graph.name())
      << " {\n  rankdir=TB;\n  node [shape=box, fontname=\"Helvetica\"];\n";
  std::string module;
  bool open = false;
  int cluster = 0;
  for (size_t i = 0; i < graph.ops().size(); ++i) {
    const Op& op = graph.ops()[i];
    const std::string group = std::string(name_of(op.phase)) + " " + op.module;
    if (!open || group != module) {
      if (open) out << "  }\n";
      out << "  subgraph cluster_" << cluster++ << " {\n    label=" << quoted(group) << ";\n";
      module = group;
      open = true;
    }
    out << "    op" << i << " [label=" << quoted(op.name + " : " + std::string(op.def->name)) << "];\n";
  }
  if (open) out << "  }\n";
  for (size_t i = 0; i < graph.ops().size(); ++i)
    for (ValueId in : graph.ops()[i].inputs) {
      if (in == kNone) continue;
      const Value& v = graph.value(in);
      if (v.producer == kNone) continue;
      out << "  op" << v.producer << " -> op" << i
          << " [label=" << quoted(v.type.text() + " " + format_bytes(v.bytes())) << "];\n";
    }
  out << "}\n";
}

}  // namespace tidemark
