#include "planner/remat/stages.h"

#include <algorithm>
#include <set>

#include "planner/liveness.h"
#include "planner/plan.h"

namespace tidemark {

Stages::Stages(const Graph& graph, const SearchGraph& flat, const Chain& chain,
               const std::vector<double>& op_seconds, const DeviceTraits& device)
    : graph_(graph),
      chain_(chain),
      op_seconds_(op_seconds),
      device_(device),
      block_of_(graph.ops().size(), kNone),
      once_(graph.ops().size(), false),
      consumers_(graph.consumers()),
      kept_(chain.blocks.size()) {
  for (size_t b = 0; b < chain.blocks.size(); ++b) {
    for (OpId op : chain.blocks[b].forward) {
      block_of_[static_cast<size_t>(op)] = static_cast<int32_t>(b);
      once_[static_cast<size_t>(op)] =
          b + 1 < chain.blocks.size() && !flat.ops[static_cast<size_t>(op)].recomputable;
    }
    for (OpId op : chain.blocks[b].backward) block_of_[static_cast<size_t>(op)] = static_cast<int32_t>(b);
  }
  find_gradient_lives();
  for (size_t b = 0; b < chain.blocks.size(); ++b) {
    stages_.push_back(make_stage(b));
    if (b + 1 < chain.blocks.size()) add_options(b, flat);
  }
}

void Stages::find_gradient_lives() {
  const size_t blocks = chain_.blocks.size();
  gradients_in_.resize(blocks);
  gradients_left_.resize(blocks);
  std::vector<bool> is_output(graph_.values().size(), false);
  for (ValueId v : graph_.outputs()) is_output[static_cast<size_t>(v)] = true;
  for (size_t b = 0; b < blocks; ++b) {
    for (OpId op : chain_.blocks[b].backward) {
      for (ValueId v : graph_.op(op).outputs) {
        if (v == kNone) continue;
        auto earliest = static_cast<int32_t>(b);
        bool left = is_output[static_cast<size_t>(v)];
        for (OpId reader : consumers_[static_cast<size_t>(v)]) {
          const int32_t at = block_of_[static_cast<size_t>(reader)];
          left = left || at == kNone;
          if (at != kNone) earliest = std::min(earliest, at);
        }
        if (left) gradients_left_[b].insert(v);
        for (auto at = static_cast<int32_t>(b) - 1; !left && at >= earliest; --at)
          gradients_in_[static_cast<size_t>(at)].insert(v);
      }
    }
  }
}

bool Stages::once(ValueId value) const {
  const OpId producer = graph_.value(value).producer;
  return producer != kNone && once_[static_cast<size_t>(producer)];
}

int32_t Stages::forward_block(ValueId value) const {
  const OpId producer = graph_.value(value).producer;
  if (producer == kNone || graph_.op(producer).phase != Phase::forward) return kNone;
  return block_of_[static_cast<size_t>(producer)];
}

KeptValues Stages::needed(size_t block) const {
  KeptValues values;
  for (OpId op : chain_.blocks[block].backward)
    for (ValueId v : graph_.op(op).inputs)
      if (v != kNone && forward_block(v) == static_cast<int32_t>(block) && !once(v)) values.insert(v);
  return values;
}

void Stages::remake(ValueId value, int32_t block, KeptValues& have, std::vector<OpId>& order) const {
  if (value == kNone || forward_block(value) != block || once(value) || have.contains(value)) return;
  const OpId producer = graph_.value(value).producer;
  for (ValueId v : graph_.op(producer).inputs) remake(v, block, have, order);
  order.push_back(producer);
  for (ValueId v : graph_.op(producer).outputs) have.insert(v);
}

std::vector<OpId> Stages::backward(size_t block, const KeptValues& kept) const {
  std::vector<OpId> order;
  KeptValues have = kept;
  for (OpId op : chain_.blocks[block].backward) {
    for (ValueId v : graph_.op(op).inputs) remake(v, static_cast<int32_t>(block), have, order);
    order.push_back(op);
  }
  return order;
}

std::vector<OpId> Stages::direct(size_t block) const {
  if (block + 1 < chain_.blocks.size()) return backward(block, {});
  std::vector<OpId> order = chain_.blocks[block].forward;
  order.insert(order.end(), chain_.blocks[block].backward.begin(), chain_.blocks[block].backward.end());
  return order;
}

double Stages::seconds(const std::vector<OpId>& order) const {
  double sum = 0;
  for (OpId op : order)
    if (!once_[static_cast<size_t>(op)]) sum += op_seconds_[static_cast<size_t>(op)];
  return sum;
}

Stages::Bytes Stages::measure(const std::vector<OpId>& order, const std::vector<ValueId>& live_out,
                              const KeptValues& live_in, const KeptValues& left) const {
  Schedule schedule = bind(graph_, {.order = order, .live_out = live_out, .whole = false}, device_);
  const std::set<OpId> here(order.begin(), order.end());
  std::erase_if(schedule.buffers, [&](const Buffer& b) {
    if (b.values.empty()) return false;
    const ValueId first = b.values.front();
    return b.persistent || once(first) ||
           (!live_in.contains(first) && !here.contains(graph_.value(first).producer));
  });
  Bytes bytes;
  for (int64_t live : live_bytes(schedule, kArenaAlignment)) bytes.peak = std::max(bytes.peak, live);
  for (const Buffer& b : schedule.buffers)
    if (!b.values.empty() && left.contains(b.values.back()))
      bytes.left += rounded_up(b.bytes, kArenaAlignment);
  return bytes;
}

Stages::Bytes Stages::measure_forward(size_t block, const KeptValues& kept) const {
  const Block& b = chain_.blocks[block];
  KeptValues left = kept;
  left.insert(b.output);
  std::vector<ValueId> live_out(left.begin(), left.end());
  if (b.input != kNone) live_out.push_back(b.input);
  return measure(b.forward, live_out, {}, left);
}

Stages::Bytes Stages::measure_backward(size_t block, const std::vector<OpId>& order, const KeptValues& kept,
                                       const KeptValues& left) const {
  const KeptValues& final = gradients_left_[block];
  std::vector<ValueId> live_out(final.begin(), final.end());
  if (block > 0) {
    live_out.insert(live_out.end(), gradients_in_[block - 1].begin(), gradients_in_[block - 1].end());
    live_out.push_back(chain_.blocks[block].input);
  }
  KeptValues live_in = gradients_in_[block];
  live_in.insert(kept.begin(), kept.end());
  return measure(order, live_out, live_in, left);
}

StageOption Stages::make_option(size_t block, const KeptValues& kept) const {
  const Bytes forward = measure_forward(block, kept);
  const std::vector<OpId> order = backward(block, kept);
  return {.kept = forward.left,
          .forward_peak = forward.peak,
          .backward_seconds = seconds(order),
          .backward_peak = measure_backward(block, order, kept, {}).peak};
}

void Stages::add_option(size_t block, KeptValues kept) {
  std::vector<StageOption>& options = stages_[block].options;
  const StageOption option = make_option(block, kept);
  const bool dominated = std::any_of(options.begin(), options.end(), [&](const StageOption& o) {
    return o.kept <= option.kept && o.backward_seconds <= option.backward_seconds &&
           o.forward_peak <= option.forward_peak && o.backward_peak <= option.backward_peak;
  });
  if (dominated) return;
  options.push_back(option);
  kept_[block].push_back(std::move(kept));
}

/// Choosing in turn which to drop takes cubic time. Blocks of more values are for other strategies.
constexpr size_t kMostKept = 64;

/// The corners of the block's trade-off and, for what lies between them, from all that the backward reads to
/// one value, dropping next what frees most per second of remaking it.
void Stages::add_options(size_t block, const SearchGraph& flat) {
  for (KeptValues& kept : best_kept_values(flat, chain_.blocks[block])) add_option(block, std::move(kept));
  KeptValues kept = needed(block);
  if (kept.size() > kMostKept) return;
  double before = seconds(backward(block, kept));
  while (kept.size() > 1) {
    ValueId worst = kNone;
    double best_rate = -1, after = 0;
    for (ValueId v : kept) {
      KeptValues without = kept;
      without.erase(v);
      const double without_it = seconds(backward(block, without));
      const double rate = static_cast<double>(graph_.value(v).bytes()) / std::max(without_it - before, 1e-12);
      if (rate <= best_rate) continue;
      best_rate = rate;
      worst = v;
      after = without_it;
    }
    kept.erase(worst);
    before = after;
    add_option(block, kept);
  }
}

int64_t Stages::standing_bytes(size_t block) const {
  int64_t bytes = 0;
  for (OpId op : chain_.blocks[block].forward)
    for (ValueId v : graph_.op(op).outputs) {
      if (v == kNone || !once(v)) continue;
      const std::vector<OpId>& readers = consumers_[static_cast<size_t>(v)];
      if (std::any_of(readers.begin(), readers.end(), [&](OpId r) { return !once_[static_cast<size_t>(r)]; }))
        bytes += rounded_up(graph_.value(v).bytes(), kArenaAlignment);
    }
  return bytes;
}

Stage Stages::make_stage(size_t block) const {
  const Block& b = chain_.blocks[block];
  const bool last = block + 1 == chain_.blocks.size();
  Stage stage;
  stage.standing = standing_bytes(block);
  stage.forward_seconds = seconds(b.forward);
  const std::vector<OpId> order = direct(block);
  stage.direct_seconds = seconds(order);
  stage.direct_peak = measure_backward(block, order, {}, {}).peak;
  stage.residue = measure_backward(block, order, {}, gradients_left_[block]).left;
  for (ValueId v : gradients_in_[block]) stage.output_gradient += graph_.value(v).bytes();
  if (last) return stage;
  const Bytes forward = measure_forward(block, {});
  stage.forward_peak = forward.peak;
  stage.output = forward.left;
  return stage;
}

std::vector<OpId> Stages::order(const std::vector<StageAction>& actions) const {
  std::vector<OpId> order = chain_.before;
  std::vector<bool> ran(once_.size(), false);
  const auto append = [&](const std::vector<OpId>& ops) {
    for (OpId op : ops) {
      if (!once_[static_cast<size_t>(op)] || !ran[static_cast<size_t>(op)]) order.push_back(op);
      ran[static_cast<size_t>(op)] = true;
    }
  };
  for (const StageAction& a : actions) {
    const auto block = static_cast<size_t>(a.stage);
    switch (a.kind) {
      case StageAction::Kind::forward: append(chain_.blocks[block].forward); break;
      case StageAction::Kind::direct: append(direct(block)); break;
      case StageAction::Kind::backward:
        append(backward(block, kept_[block][static_cast<size_t>(a.option)]));
        break;
    }
  }
  append(chain_.after);
  return order;
}

}  // namespace tidemark
