#include "graph/autodiff.h"

#include "base/error.h"
#include "graph/op_def.h"
#include "graph/reverse_sweep.h"

namespace tidemark {

class ReverseSweep::Context final : public GradientContext {
 public:
  Context(ReverseSweep& sweep, OpId source, const Op& op, std::vector<ValueId> grads)
      : sweep_(sweep), source_(source), op_(op), grads_(std::move(grads)) {}

  const Graph& graph() const override { return sweep_.graph_; }
  const Op& op() const override { return op_; }
  ValueId grad_out(int i) const override { return grads_.at(static_cast<size_t>(i)); }
  bool wants(int i) const override { return sweep_.wanted_[static_cast<size_t>(in(i))]; }
  OpId emit(std::string kind, std::string suffix, std::vector<ValueId> inputs,
            Attributes attributes) override {
    return sweep_.graph_.add_op({std::move(kind), suffix.empty() ? op_.name : op_.name + "." + suffix,
                                 std::move(inputs), std::move(attributes), op_.module, Phase::backward,
                                 source_});
  }
  void add_grad(int i, ValueId gradient) override { sweep_.add(in(i), gradient, source_); }
  ValueId take_grad(int i) override { return sweep_.take(in(i)); }

 private:
  ReverseSweep& sweep_;
  OpId source_;
  const Op op_;  // a copy: emitting moves the graph's ops
  std::vector<ValueId> grads_;
};

ReverseSweep::ReverseSweep(Graph& graph, const std::vector<ValueId>& wrt)
    : graph_(graph), forward_ops_(graph.ops().size()) {
  mark_wanted(wrt);
}

void ReverseSweep::mark_wanted(const std::vector<ValueId>& wrt) {
  wanted_.assign(graph_.values().size(), false);
  contributions_.resize(graph_.values().size());
  for (ValueId id : wrt) wanted_[static_cast<size_t>(id)] = true;
  for (const Op& op : graph_.ops()) {
    bool reached = false;
    for (ValueId in : op.inputs) reached = reached || (in != kNone && wanted_[static_cast<size_t>(in)]);
    for (ValueId out : op.outputs)
      if (out != kNone && reached) wanted_[static_cast<size_t>(out)] = true;
  }
}

void ReverseSweep::add(ValueId value, ValueId gradient, OpId source) {
  if (!wanted_[static_cast<size_t>(value)]) return;
  if (graph_.value(value).category == Category::parameter) graph_.set_category(gradient, Category::gradient);
  contributions_[static_cast<size_t>(value)].push_back({gradient, source, false});
}

/// Sums what has come in so far, in the order it came.
ValueId ReverseSweep::settle(ValueId value) {
  auto& parts = contributions_[static_cast<size_t>(value)];
  if (parts.empty()) return kNone;
  while (parts.size() > 1) {
    const Contribution a = parts[0], b = parts[1];
    const OpId source = b.source == kNone ? a.source : b.source;
    const char* kind = a.accumulator ? "accumulate" : "add";
    const ValueId sum = graph_.add({kind,
                                    graph_.value(b.gradient).name + "+",
                                    {a.gradient, b.gradient},
                                    {},
                                    source == kNone ? "" : graph_.op(source).module,
                                    Phase::backward,
                                    source});
    graph_.set_category(sum, graph_.value(b.gradient).category);
    parts.erase(parts.begin());
    parts[0] = {sum, source, a.accumulator};
  }
  return parts[0].gradient;
}

ValueId ReverseSweep::take(ValueId value) {
  if (!wanted_[static_cast<size_t>(value)]) return kNone;
  const ValueId sum = settle(value);
  contributions_[static_cast<size_t>(value)].clear();
  return sum;
}

ValueId ReverseSweep::add_loss(const Op& loss, OpId source, double scale) {
  Context context(*this, source, loss, {});
  return loss.def->loss_gradient(context, scale);
}

void ReverseSweep::run() {
  for (size_t i = forward_ops_; i-- > 0;) {
    const auto id = static_cast<OpId>(i);
    const Op& op = graph_.op(id);
    bool reached = false, wanted = false;
    for (ValueId out : op.outputs)
      if (out != kNone) {
        reached = reached || !contributions_[static_cast<size_t>(out)].empty();
        wanted = wanted || wanted_[static_cast<size_t>(out)];
      }
    if (!reached || !wanted) continue;
    if (!op.def->gradient)
      throw Error("no gradient", op.name, "the op '" + std::string(op.def->name) + "' has no gradient rule");
    const std::vector<ValueId> outputs = op.outputs;
    std::vector<ValueId> grads;
    for (ValueId out : outputs) grads.push_back(out == kNone ? kNone : settle(out));
    Context context(*this, id, op, std::move(grads));
    context.op().def->gradient(context);
  }
}

std::vector<ValueId> differentiate(Graph& graph, const std::vector<std::pair<ValueId, ValueId>>& seeds,
                                   const std::vector<ValueId>& wrt) {
  ReverseSweep sweep(graph, wrt);
  for (const auto& [value, gradient] : seeds) sweep.add(value, gradient, kNone);
  sweep.run();
  std::vector<ValueId> gradients;
  for (ValueId id : wrt) gradients.push_back(sweep.gradient(id));
  return gradients;
}

}  // namespace tidemark
