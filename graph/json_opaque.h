// An opaque op's attributes in JSON, where an output says its own size and what it overwrites.
#pragma once

#include <nlohmann/json.hpp>

#include "graph/graph.h"
#include "graph/json_field.h"

namespace tidemark::graph_io {

/// Of the document's op.
Attributes opaque_attributes(const Field& op);

/// Moves what the outputs say from the attributes of `document`, the op as any other is written, to them.
void spread_opaque(const Graph& graph, const Op& op, nlohmann::json& document);

}  // namespace tidemark::graph_io
