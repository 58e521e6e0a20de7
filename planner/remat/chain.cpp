#include "planner/remat/chain.h"

#include <algorithm>
#include <set>

#include "graph/op_def.h"
#include "planner/graph_view.h"

namespace tidemark {
namespace {

/// Programs over all pairs of blocks take a second or so for as many.
constexpr size_t kMostBlocks = 256;

class ChainFinder {
 public:
  explicit ChainFinder(const Graph& graph) : graph_(graph), block_of_(graph.ops().size(), kNone) {}

  Chain find();

 private:
  void find_always_kept();
  OpId start_of_longest_way(const OpGraph& ops) const;
  std::vector<bool> beside_the_way(const OpGraph& ops) const;
  OpId end_of_longest_way(const OpGraph& ops, const std::vector<bool>& ignored) const;
  void assign_forward();
  void assign_to_readers(const std::vector<bool>& beside);
  void merge_leaky_blocks();
  void merge_to(size_t most_blocks);
  void keep_ends(const std::vector<bool>& keep);
  void assign_backward();
  int32_t latest_read(const Op& backward) const;
  Chain collect() const;
  bool is_forward(size_t op) const { return graph_.ops()[op].phase == Phase::forward && !always_kept_[op]; }

  const Graph& graph_;
  std::vector<bool> always_kept_;
  std::vector<int32_t> block_of_;  // by op; kNone: before or after the chain
  std::vector<OpId> ends_;         // of each block but the last: the op that makes its output
};

void ChainFinder::find_always_kept() {
  always_kept_.assign(graph_.ops().size(), false);
  for (size_t i = 0; i < graph_.ops().size(); ++i) {
    const Op& op = graph_.ops()[i];
    always_kept_[i] = op.phase == Phase::forward && op.def->cheap &&
                      std::all_of(op.inputs.begin(), op.inputs.end(), [&](ValueId v) {
                        if (v == kNone) return true;
                        const Value& value = graph_.value(v);
                        return value.producer == kNone ? value.category == Category::input
                                                       : always_kept_[static_cast<size_t>(value.producer)];
                      });
  }
}

/// Of the forward ops that read an input of the model and else nothing that depends on one, that from which
/// most ops follow one another; kNone where there is none.
OpId ChainFinder::start_of_longest_way(const OpGraph& ops) const {
  const size_t count = graph_.ops().size();
  std::vector<bool> reads_input(count, false), depends(count, false);
  for (size_t i = 0; i < count; ++i) {
    if (!is_forward(i)) continue;
    for (ValueId v : graph_.ops()[i].inputs)
      if (v != kNone && graph_.value(v).producer == kNone && graph_.value(v).category == Category::input)
        reads_input[i] = true;
    depends[i] = reads_input[i];
    for (auto [e, end] = boost::in_edges(i, ops); e != end; ++e)
      if (const size_t from = boost::source(*e, ops); is_forward(from) && depends[from]) {
        depends[i] = true;
        reads_input[i] = false;  // it is on the way of another
      }
  }
  std::vector<int> way(count, 0);  // ops that follow one another from here
  OpId start = kNone;
  for (size_t i = count; i-- > 0;) {
    if (!is_forward(i)) continue;
    for (auto [e, end] = boost::out_edges(i, ops); e != end; ++e)
      if (const size_t next = boost::target(*e, ops); is_forward(next))
        way[i] = std::max(way[i], way[next] + 1);
    if (reads_input[i] && (start == kNone || way[i] >= way[static_cast<size_t>(start)]))
      start = static_cast<OpId>(i);
  }
  return start;
}

/// Forward ops that do not depend on where the longest way starts: what is made of parameters or labels
/// alone. They say nothing about where the graph can be cut.
std::vector<bool> ChainFinder::beside_the_way(const OpGraph& ops) const {
  std::vector<bool> beside(graph_.ops().size(), false);
  const OpId start = start_of_longest_way(ops);
  if (start == kNone) return beside;
  for (size_t i = 0; i < beside.size(); ++i) {
    beside[i] = is_forward(i) && static_cast<OpId>(i) != start;
    for (auto [e, end] = boost::in_edges(i, ops); e != end; ++e)
      if (const size_t from = boost::source(*e, ops); is_forward(from) && !beside[from]) beside[i] = false;
  }
  return beside;
}

/// The forward op behind most others that follow one another; kNone where there is none.
OpId ChainFinder::end_of_longest_way(const OpGraph& ops, const std::vector<bool>& ignored) const {
  std::vector<int> way(graph_.ops().size(), 0);
  OpId last = kNone;
  for (size_t i = 0; i < way.size(); ++i) {
    if (!is_forward(i) || ignored[i]) continue;
    for (auto [e, end] = boost::in_edges(i, ops); e != end; ++e)
      if (const size_t from = boost::source(*e, ops); is_forward(from) && !ignored[from])
        way[i] = std::max(way[i], way[from] + 1);
    if (last == kNone || way[i] >= way[static_cast<size_t>(last)]) last = static_cast<OpId>(i);
  }
  return last;
}

void ChainFinder::assign_forward() {
  const bool turns = std::any_of(graph_.ops().begin(), graph_.ops().end(),
                                 [](const Op& op) { return op.phase == Phase::backward; });
  const OpGraph ops = op_graph(graph_);
  const std::vector<bool> beside = beside_the_way(ops);
  std::vector<bool> ignored = always_kept_;
  for (size_t i = 0; i < ignored.size(); ++i) ignored[i] = ignored[i] || beside[i];
  if (const OpId last = end_of_longest_way(ops, ignored); turns && last != kNone) {
    ends_ = bottlenecks(graph_, ops, last, ignored);
    block_of_ = dominating_bottleneck(graph_, ops, ends_, ignored);
  }
  // What the k-th bottleneck dominates is in block k + 1, itself in block k.
  for (size_t i = 0; i < block_of_.size(); ++i) block_of_[i] = is_forward(i) ? block_of_[i] + 1 : kNone;
  assign_to_readers(beside);
}

/// What is beside the way is made where it is read; where several blocks read it, before the chain.
void ChainFinder::assign_to_readers(const std::vector<bool>& beside) {
  const std::vector<std::vector<OpId>> consumers = graph_.consumers();
  for (size_t i = block_of_.size(); i-- > 0;) {
    if (!beside[i]) continue;
    std::set<int32_t> readers;
    for (ValueId v : graph_.ops()[i].outputs) {
      if (v == kNone) continue;
      for (OpId reader : consumers[static_cast<size_t>(v)])
        if (graph_.op(reader).phase == Phase::forward) readers.insert(block_of_[static_cast<size_t>(reader)]);
    }
    block_of_[i] = readers.size() == 1 ? *readers.begin() : kNone;
    always_kept_[i] = block_of_[i] == kNone;
  }
}

/// Joins a block to the next one where more than one of its values is read further on.
void ChainFinder::merge_leaky_blocks() {
  const size_t count = ends_.size() + 1;
  std::vector<int32_t> last_reader(graph_.values().size(), kNone);
  for (size_t i = 0; i < graph_.ops().size(); ++i)
    if (is_forward(i))
      for (ValueId v : graph_.ops()[i].inputs)
        if (v != kNone)
          last_reader[static_cast<size_t>(v)] = std::max(last_reader[static_cast<size_t>(v)], block_of_[i]);
  std::vector<int> crossing(count, 0);  // values that cross from block k to k + 1
  for (size_t v = 0; v < last_reader.size(); ++v) {
    const OpId producer = graph_.values()[v].producer;
    if (producer == kNone || !is_forward(static_cast<size_t>(producer))) continue;
    for (int32_t k = block_of_[static_cast<size_t>(producer)]; k < last_reader[v]; ++k)
      ++crossing[static_cast<size_t>(k)];
  }
  std::vector<bool> tight(ends_.size());
  for (size_t k = 0; k < tight.size(); ++k) tight[k] = crossing[k] == 1;
  keep_ends(tight);
}

/// Joins neighbours evenly.
void ChainFinder::merge_to(size_t most_blocks) {
  const size_t count = ends_.size() + 1;
  if (count <= most_blocks) return;
  std::vector<bool> keep(ends_.size());
  for (size_t k = 0; k < keep.size(); ++k) keep[k] = k * most_blocks / count != (k + 1) * most_blocks / count;
  keep_ends(keep);
}

/// A block whose end is not kept becomes part of the next.
void ChainFinder::keep_ends(const std::vector<bool>& keep) {
  std::vector<int32_t> renumbered;
  std::vector<OpId> ends;
  for (size_t k = 0; k < ends_.size(); ++k) {
    renumbered.push_back(static_cast<int32_t>(ends.size()));
    if (keep[k]) ends.push_back(ends_[k]);
  }
  renumbered.push_back(static_cast<int32_t>(ends.size()));
  ends_ = std::move(ends);
  for (int32_t& b : block_of_)
    if (b != kNone) b = renumbered[static_cast<size_t>(b)];
}

/// The last block whose values the backward op reads; kNone where it reads none. A block's output is read
/// in the next one.
int32_t ChainFinder::latest_read(const Op& backward) const {
  int32_t latest = kNone;
  for (ValueId v : backward.inputs) {
    const OpId producer = v == kNone ? kNone : graph_.value(v).producer;
    if (producer == kNone || !is_forward(static_cast<size_t>(producer))) continue;
    const int32_t block = block_of_[static_cast<size_t>(producer)];
    const bool crosses =
        block < static_cast<int32_t>(ends_.size()) && ends_[static_cast<size_t>(block)] == producer;
    latest = std::max(latest, block + (crosses ? 1 : 0));
  }
  return latest;
}

void ChainFinder::assign_backward() {
  auto current = static_cast<int32_t>(ends_.size());
  for (size_t i = 0; i < graph_.ops().size(); ++i) {
    const Op& op = graph_.ops()[i];
    if (op.phase != Phase::backward) continue;
    const bool sourced = op.source != kNone;
    const int32_t own = sourced ? block_of_[static_cast<size_t>(op.source)] : latest_read(op);
    if (own != kNone) current = sourced ? own : std::min(current, own);
    block_of_[i] = current;
  }
}

Chain ChainFinder::collect() const {
  Chain chain;
  chain.blocks.resize(ends_.size() + 1);
  for (size_t i = 0; i < graph_.ops().size(); ++i) {
    const Phase phase = graph_.ops()[i].phase;
    const auto id = static_cast<OpId>(i);
    if (block_of_[i] == kNone) {
      (phase == Phase::optimizer ? chain.after : chain.before).push_back(id);
      continue;
    }
    Block& block = chain.blocks[static_cast<size_t>(block_of_[i])];
    (phase == Phase::forward ? block.forward : block.backward).push_back(id);
  }
  for (size_t k = 0; k < ends_.size(); ++k) {
    for (OpId reader : chain.blocks[k + 1].forward)
      for (ValueId v : graph_.op(reader).inputs)
        if (v != kNone && graph_.value(v).producer != kNone &&
            block_of_[static_cast<size_t>(graph_.value(v).producer)] == static_cast<int32_t>(k))
          chain.blocks[k].output = chain.blocks[k + 1].input = v;
  }
  return chain;
}

Chain ChainFinder::find() {
  find_always_kept();
  assign_forward();
  merge_leaky_blocks();
  merge_to(kMostBlocks);
  assign_backward();
  Chain chain = collect();
  if (respects(chain_order(chain), op_graph(graph_))) return chain;
  ends_.clear();
  for (size_t i = 0; i < block_of_.size(); ++i)
    if (block_of_[i] != kNone) block_of_[i] = 0;
  return collect();
}

}  // namespace

Chain find_chain(const Graph& graph) {
  return ChainFinder(graph).find();
}

std::vector<OpId> chain_order(const Chain& chain) {
  std::vector<OpId> order = chain.before;
  for (const Block& block : chain.blocks)
    order.insert(order.end(), block.forward.begin(), block.forward.end());
  for (size_t k = chain.blocks.size(); k-- > 0;)
    order.insert(order.end(), chain.blocks[k].backward.begin(), chain.blocks[k].backward.end());
  order.insert(order.end(), chain.after.begin(), chain.after.end());
  return order;
}

}  // namespace tidemark
