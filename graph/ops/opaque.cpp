#include <cmath>

#include "graph/opaque.h"
#include "graph/ops/all.h"
#include "graph/ops/check.h"

namespace tidemark {
namespace ops {
namespace {

/// Doubles, as attributes hold them, are exact up to here.
constexpr double kMostBytes = 9'007'199'254'740'992;
/// Shorter times vanish when they are scaled to integers, longer ones overflow when they are added up.
constexpr double kShortest = 1e-12, kLongest = 1e9;

[[noreturn]] void wrong(const char* attribute, const std::string& why) {
  throw Error("wrong attribute", attribute, why);
}

int64_t whole_bytes(double bytes, const char* attribute) {
  if (!(bytes >= 0 && bytes <= kMostBytes) || bytes != std::floor(bytes))
    wrong(attribute, "is " + std::to_string(bytes) + ", not a whole number up to 2^53");
  return static_cast<int64_t>(bytes);
}

void check_seconds(double seconds) {
  if (seconds != 0 && !(seconds >= kShortest && seconds <= kLongest))
    wrong("seconds", "is neither 0 nor from 1e-12 to 1e9");
}

void check_aliases(const OpView& op, const std::vector<TensorType>& outputs) {
  if (op.attributes().has("aliases") && op.attributes().numbers("aliases").size() % 3 != 0)
    wrong("aliases", "is not a list of triples");
  std::vector<bool> updated(outputs.size(), false), updates(static_cast<size_t>(op.inputs()), false);
  for (const Alias& a : aliases_of(op.op())) {
    const auto out = static_cast<size_t>(a.out), in = static_cast<size_t>(a.in);
    if (out >= outputs.size() || in >= updates.size()) wrong("aliases", "names an operand that is not there");
    if (op.in(a.in).bytes() != outputs[out].bytes())
      wrong("aliases", "output " + std::to_string(out) + " has another size than what it overwrites");
    if (!a.required) continue;
    if (updated[out] || updates[in]) wrong("aliases", "an operand is updated twice");
    updated[out] = updates[in] = true;
  }
}

}  // namespace

/// An op of somebody else's graph, of which only this is known: the outputs' `bytes`, the scratch space
/// `workspace_bytes`, how many `seconds` it takes, whether it may run again (`recompute`; false for a
/// forward op with side effects), and of outputs that share storage with inputs `aliases`: triples of
/// output, input, and 1 where the output always overwrites the input, 0 where it may.
OpDef opaque() {
  OpDef d;
  d.name = "opaque";
  d.input_names = {"x*"};
  d.output_names = {"y*"};
  d.infer = [](const OpView& op) {
    std::vector<TensorType> types;
    for (double bytes : op.attributes().numbers("bytes"))
      types.push_back({DType::u8, {whole_bytes(bytes, "bytes")}});
    whole_bytes(static_cast<double>(op.attributes().integer("workspace_bytes")), "workspace_bytes");
    op.attributes().flag("recompute");
    check_seconds(op.attributes().number("seconds"));
    check_aliases(op, types);
    return types;
  };
  d.work = [](const OpView& op) { return Work{0, operand_bytes(op)}; };
  d.workspace = [](const OpView& op, const DeviceTraits&) {
    return op.attributes().integer("workspace_bytes");
  };
  return d;
}

}  // namespace ops

bool is_opaque(const Op& op) {
  return op.def->name == "opaque";
}

std::vector<Alias> aliases_of(const Op& op) {
  if (!is_opaque(op) || !op.attributes.has("aliases")) return op.def->aliases;
  const std::vector<double>& triples = op.attributes.numbers("aliases");
  std::vector<Alias> aliases;
  for (size_t i = 0; i + 2 < triples.size(); i += 3)
    aliases.push_back({static_cast<int>(triples[i]), static_cast<int>(triples[i + 1]), triples[i + 2] != 0});
  return aliases;
}

}  // namespace tidemark
