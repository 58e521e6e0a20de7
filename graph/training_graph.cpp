#include "base/error.h"
#include "graph/autodiff.h"
#include "graph/op_def.h"
#include "graph/reverse_sweep.h"

namespace tidemark {
namespace {

/// Where the random numbers of roundings begin: what drops out has sites far below.
constexpr int64_t kRoundingSites = int64_t{1} << 40;

/// The training graph under construction, value and op ids mapped from the forward graph's.
class TrainingGraphBuilder {
 public:
  TrainingGraphBuilder(const Graph& forward, const TrainingOptions& options);
  Graph build();

 private:
  void find_loss();
  void copy_sources();
  void add_accumulators();
  void copy_forward_ops();
  void add_loss_and_gradient(ReverseSweep& sweep);
  void add_optimizer(const std::vector<ValueId>& gradients);
  void add_sign_step(ValueId id, ValueId direction);
  /// Those that something is added up for.
  std::vector<ValueId> moved() const;
  std::vector<ValueId> mapped(const std::vector<ValueId>& ids) const;

  const Graph& forward_;
  TrainingOptions options_;
  Graph graph_;
  OpId loss_op_ = kNone;
  std::vector<ValueId> map_;
  std::vector<ValueId> parameters_;    ///< in graph_
  std::vector<ValueId> stepped_;       ///< moved by the sign of something else than the loss's gradient
  std::vector<ValueId> accumulators_;  ///< beside moved(), empty without accumulation
};

TrainingGraphBuilder::TrainingGraphBuilder(const Graph& forward, const TrainingOptions& options)
    : forward_(forward), options_(options), graph_(forward.name()), map_(forward.values().size(), kNone) {
  if (options.micro_batches < 1)
    throw Error("bad option", "micro-batches", "is " + std::to_string(options.micro_batches),
                "use 1 or more");
}

Graph TrainingGraphBuilder::build() {
  find_loss();
  copy_sources();
  if (options_.micro_batches > 1) add_accumulators();
  copy_forward_ops();

  const std::vector<ValueId> all = moved();
  ReverseSweep sweep(graph_, all);
  for (size_t i = 0; i < accumulators_.size(); ++i) sweep.accumulate_into(all[i], accumulators_[i]);
  add_loss_and_gradient(sweep);
  sweep.run();

  std::vector<ValueId> gradients;
  for (ValueId id : parameters_) {
    gradients.push_back(sweep.gradient(id));
    if (gradients.back() == kNone)
      throw Error("no gradient", graph_.value(id).name, "the loss does not depend on this parameter");
  }
  // Before the optimizer: what is added up last is added up here.
  std::vector<ValueId> directions;
  for (ValueId id : stepped_) directions.push_back(sweep.gradient(id));
  if (options_.optimizer) {
    add_optimizer(gradients);
    for (size_t i = 0; i < stepped_.size(); ++i) add_sign_step(stepped_[i], directions[i]);
  } else {
    for (ValueId g : gradients) graph_.mark_output(g);
  }
  return std::move(graph_);
}

void TrainingGraphBuilder::find_loss() {
  for (size_t i = 0; i < forward_.ops().size(); ++i) {
    if (!forward_.ops()[i].def->loss_gradient) continue;
    if (loss_op_ != kNone) throw Error("bad graph", forward_.name(), "there are two losses");
    loss_op_ = static_cast<OpId>(i);
  }
  if (loss_op_ == kNone)
    throw Error("bad graph", forward_.name(), "no op makes a loss",
                "end it with one that does, such as "
                "'linear_cross_entropy'");
}

void TrainingGraphBuilder::copy_sources() {
  for (size_t i = 0; i < forward_.values().size(); ++i) {
    const Value& v = forward_.values()[i];
    if (v.producer != kNone) continue;
    map_[i] = graph_.add_source(v.name, v.type, v.category, v.init, v.group);
    if (v.category != Category::parameter) continue;
    if (v.group.trained)
      parameters_.push_back(map_[i]);
    else if (v.group.sign_step != 0 && options_.optimizer)
      stepped_.push_back(map_[i]);
  }
}

std::vector<ValueId> TrainingGraphBuilder::moved() const {
  std::vector<ValueId> ids = parameters_;
  ids.insert(ids.end(), stepped_.begin(), stepped_.end());
  return ids;
}

void TrainingGraphBuilder::add_accumulators() {
  for (ValueId p : moved()) {
    const Value parameter = graph_.value(p);
    const ValueId acc = graph_.add_source(parameter.name + ".grad_sum", parameter.type, Category::gradient);
    accumulators_.push_back(
        graph_.add({"clear", parameter.name + ".grad_clear", {acc}, {}, "", Phase::prepare}));
  }
}

std::vector<ValueId> TrainingGraphBuilder::mapped(const std::vector<ValueId>& ids) const {
  std::vector<ValueId> out;
  for (ValueId id : ids) out.push_back(id == kNone ? kNone : map_[static_cast<size_t>(id)]);
  return out;
}

void TrainingGraphBuilder::copy_forward_ops() {
  for (size_t i = 0; i < forward_.ops().size(); ++i) {
    if (static_cast<OpId>(i) == loss_op_) continue;
    const Op& op = forward_.ops()[i];
    const OpId id = graph_.add_op(
        {std::string(op.def->name), op.name, mapped(op.inputs), op.attributes, op.module, Phase::forward});
    for (size_t k = 0; k < op.outputs.size(); ++k)
      if (op.outputs[k] != kNone) map_[static_cast<size_t>(op.outputs[k])] = graph_.op(id).outputs[k];
  }
}

/// Loss and gradient in the loss's place. Its `source` is the op before the loss, whose block it closes.
void TrainingGraphBuilder::add_loss_and_gradient(ReverseSweep& sweep) {
  Op loss = forward_.op(loss_op_);
  loss.inputs = mapped(loss.inputs);
  const OpId source = graph_.value(loss.inputs.front()).producer;
  graph_.mark_output(sweep.add_loss(loss, source, 1.0 / options_.micro_batches));
}

void TrainingGraphBuilder::add_optimizer(const std::vector<ValueId>& gradients) {
  const AdamW& o = *options_.optimizer;
  const ValueId hyper = graph_.add_source("optimizer.hyper", {DType::f32, {4}}, Category::input);
  ValueId norm = kNone;
  if (o.clip_norm > 0)
    norm = graph_.add({"grad_norm", "optimizer.grad_norm", gradients, {}, "optimizer", Phase::optimizer});
  if (norm != kNone) graph_.mark_output(norm);
  ValueId seed = kNone;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const Value p = graph_.value(parameters_[i]);
    const bool rounds = p.type.dtype != DType::f32 && !o.masters;
    if (rounds && seed == kNone)
      seed = graph_.add_source("optimizer.seed", {DType::i32, {2}}, Category::input);
    const TensorType state{DType::f32, p.type.shape};
    const ValueId m = graph_.add_source(p.name + ".adam_m", state, Category::optimizer_state);
    const ValueId v = graph_.add_source(p.name + ".adam_v", state, Category::optimizer_state);
    const ValueId master = p.type.dtype == DType::f32 || rounds
                               ? kNone
                               : graph_.add_source(p.name + ".master", state, Category::optimizer_state);
    const bool decays = o.decay_all || (p.group.decays && (p.type.shape.rank() > 1 || o.decay_vectors));
    Attributes attributes = {{"beta1", o.beta1},
                             {"beta2", o.beta2},
                             {"epsilon", o.epsilon},
                             {"weight_decay", decays ? o.weight_decay : 0.0},
                             {"learning_rate_scale", p.group.learning_rate_scale},
                             {"clip_norm", o.clip_norm}};
    std::vector<ValueId> operands = {parameters_[i], gradients[i], m, v, hyper, norm, master};
    if (rounds) {
      attributes.set("site", kRoundingSites + static_cast<int64_t>(i));
      operands.push_back(seed);
    }
    graph_.add_op({"adamw", p.name + ".adamw", operands, attributes, "optimizer", Phase::optimizer});
  }
}

void TrainingGraphBuilder::add_sign_step(ValueId id, ValueId direction) {
  const Value p = graph_.value(id);
  if (direction == kNone) throw Error("no gradient", p.name, "nothing says which way to step");
  graph_.add_op({"sign_step",
                 p.name + ".sign_step",
                 {id, direction},
                 {{"step", p.group.sign_step}},
                 "optimizer",
                 Phase::optimizer});
}

}  // namespace

Graph make_training_graph(const Graph& forward, const TrainingOptions& options) {
  return TrainingGraphBuilder(forward, options).build();
}

ValueId loss_of(const Graph& training) {
  if (training.outputs().empty()) throw InternalError("not a training graph: it has no outputs");
  return training.outputs().front();
}

}  // namespace tidemark
