// The graph as JSON (docs/formats.md), readable text and Graphviz.
#pragma once

#include <iosfwd>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "graph/graph.h"

namespace tidemark {

nlohmann::json to_json(const Graph& graph);
/// Rebuilds and re-infers every op; throws Error naming the field where the document is not a graph, has
/// no op, or says another type than the op infers. `where` names the file.
Graph graph_from_json(const nlohmann::json& json, const std::string& where);

/// Reads the file; the same errors.
Graph load_graph(const std::string& path);

/// 16 hexadecimal digits over everything in the graph but its own name.
std::string fingerprint(const Graph& graph);

/// One line per op: `%y f32[4, 8] = linear(%x, %weight)  # module`.
void write_text(std::ostream& out, const Graph& graph);

/// Ops as boxes grouped by module, values as edges labelled with type and bytes.
void write_graphviz(std::ostream& out, const Graph& graph);

/// Checks what construction through Graph's functions guarantees and a hand-made document may break:
/// every op reads only what stands before it, required aliases are the last readers of what they
/// overwrite, phases do not go back, all bytes are at most 2^48. Throws Error naming the op.
void validate(const Graph& graph);

}  // namespace tidemark
