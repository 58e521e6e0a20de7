// The training graph as a chain of blocks, each with one activation in and one out.
#pragma once

#include <vector>

#include "graph/graph.h"

namespace tidemark {

struct Block {
  std::vector<OpId> forward;   ///< in the graph's order
  std::vector<OpId> backward;  ///< of these forward ops, in the graph's order
  ValueId input = kNone;       ///< the previous block's output; kNone of the first
  ValueId output = kNone;      ///< kNone of the last, which ends in the loss
};

struct Chain {
  /// What runs before the first block: the `prepare` phase, and cheap forward ops on the model's inputs
  /// alone (rotary tables), whose results every block may read and nobody recomputes.
  std::vector<OpId> before;
  std::vector<Block> blocks;
  std::vector<OpId> after;  ///< the optimizer
};

/// Cuts the forward graph where every path to the first backward op leads through one op of which only one
/// output is read further on. A backward op belongs to the block of its `source`; without one, to the block
/// that the backward pass has come down to, by the latest forward values that each op reads. A graph without
/// such cuts, or that does not run block by block, is a chain of one block. Neighbours are joined where there
/// are hundreds of blocks.
Chain find_chain(const Graph& graph);

/// All ops once: forward through the chain, then backward.
std::vector<OpId> chain_order(const Chain& chain);

}  // namespace tidemark
