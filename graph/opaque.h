// Ops of somebody else's graph, which say of themselves what the registry says of ours.
#pragma once

#include <vector>

#include "graph/op_def.h"

namespace tidemark {

/// Whether the op is of the kind `opaque` (ops/opaque.cpp). Then its attribute `seconds` is its time.
bool is_opaque(const Op& op);

/// Which outputs share storage with which inputs: the rules of the op's kind, or an opaque op's own.
/// Operands that they name may be absent.
std::vector<Alias> aliases_of(const Op& op);

}  // namespace tidemark
