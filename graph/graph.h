// The intermediate representation: ops in program order over values in single-assignment form.
//
// A forward graph comes from models/, graph/autodiff makes the joint training graph of it, and a plan
// (planner/plan.h) orders its ops and places its values. The graph itself knows no device and no order
// beyond the one its ops were added in, which is always a valid one.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/category.h"
#include "graph/attributes.h"
#include "graph/types.h"

namespace tidemark {

using ValueId = int32_t;
using OpId = int32_t;
inline constexpr int32_t kNone = -1;  ///< an absent optional input, a value without producer, …

/// How a parameter starts. `scale` is the standard deviation (normal), the bound (uniform), the constant
/// (constant), or the largest time step (time_step: the inverse of softplus of a step drawn log-uniformly
/// from `low` to `scale`; log_time_step: its logarithm). log_index is the logarithm of 1 + the place in the
/// last dimension, index `scale` times the place. log_uniform is the logarithm of a number drawn uniformly
/// from 0 to `scale`. log_decay is log(-log r), r drawn uniformly from the area of the ring from radius `low`
/// to `scale`; log_gain is log(1 - r^2) / 2 of the r that a log_decay parameter of the same module draws.
/// table repeats `values`.
struct Initializer {
  enum class Kind : uint8_t {
    none,
    constant,
    normal,
    uniform,
    log_index,
    time_step,
    index,
    log_time_step,
    log_uniform,
    log_decay,
    log_gain,
    table
  };
  Kind kind = Kind::none;
  double scale = 0;
  double low = 0;
  std::vector<double> values = {};
  bool operator==(const Initializer&) const = default;
};

/// How the optimizer treats a parameter apart from others (a "parameter group").
struct ParameterGroup {
  bool decays = true;              ///< takes part in weight decay
  double learning_rate_scale = 1;  ///< times the run's learning rate
  bool trained = true;             ///< by gradient; what is not is kept and published as it is
  /// Of what is not trained: how far each step moves it against the sign of what is added up as its gradient.
  double sign_step = 0;
  bool operator==(const ParameterGroup&) const = default;
};

struct Value {
  /// Unique in the graph; a parameter's is its checkpoint name. One with a star in it is published as a
  /// tensor for each index of the first dimension, which the star stands for (graph/stacked.h).
  std::string name;
  TensorType type;
  Category category = Category::activation;
  OpId producer = kNone;  ///< kNone: lives for the whole run (input, parameter, optimizer state)
  Initializer init;       ///< of parameters only
  ParameterGroup group;   ///< of parameters only

  int64_t bytes() const { return type.bytes(); }
  bool operator==(const Value&) const = default;
};

class OpDef;

struct Op {
  std::string name;  ///< unique, "layers.3.mlp.down_proj" or, of a gradient, "….grad_input"
  const OpDef* def = nullptr;
  Attributes attributes;
  std::vector<ValueId> inputs;   ///< kNone where an optional input is absent
  std::vector<ValueId> outputs;  ///< kNone where an optional output is not wanted
  std::string module;            ///< dotted path, "model.layers.3.mlp"
  Phase phase = Phase::forward;
  OpId source = kNone;  ///< of a backward op: the forward op it differentiates
};

class Graph {
 public:
  explicit Graph(std::string name = {}) : name_(std::move(name)) {}

  const std::string& name() const { return name_; }
  const std::vector<Value>& values() const { return values_; }
  const std::vector<Op>& ops() const { return ops_; }
  const Value& value(ValueId id) const { return values_.at(static_cast<size_t>(id)); }
  const Op& op(OpId id) const { return ops_.at(static_cast<size_t>(id)); }

  /// A value that no op makes: input, parameter, optimizer state, gradient accumulator.
  ValueId add_source(const std::string& name, TensorType type, Category category, Initializer init = {},
                     ParameterGroup group = {});

  /// Infers and adds the outputs' values; throws Error naming the op where shapes do not fit.
  /// The first output is named after the op, others "<op>:<output's name>". They are in `category`,
  /// except that an output that must alias an input keeps that input's. Returns the op's id.
  struct NewOp {
    std::string kind;  ///< name in the op registry
    std::string name;
    std::vector<ValueId> inputs;
    Attributes attributes = {};
    std::string module = {};
    Phase phase = Phase::forward;
    OpId source = kNone;
    Category category = Category::activation;
    std::vector<std::string> outputs = {};  ///< names, of an op that may have any number of them
  };
  OpId add_op(NewOp op);
  /// add_op, and its first output.
  ValueId add(NewOp op);

  void set_category(ValueId id, Category category) {
    values_.at(static_cast<size_t>(id)).category = category;
  }

  /// Values that must survive to the end of the step (the loss, and in tests the gradients).
  const std::vector<ValueId>& outputs() const { return outputs_; }
  void mark_output(ValueId id) { outputs_.push_back(id); }

  /// kNone where there is none of this name.
  ValueId find(const std::string& value_name) const;
  /// Throws Error where there is none.
  ValueId require(const std::string& value_name) const;

  /// Parameters in the order they were added.
  std::vector<ValueId> sources(Category category) const;
  /// Those parameters that are trained.
  std::vector<ValueId> trained_parameters() const;
  int64_t parameter_count() const;  ///< of the trained ones

  /// The ops that read each value.
  std::vector<std::vector<OpId>> consumers() const;

 private:
  ValueId append(Value value);

  std::string name_;
  std::vector<Value> values_;
  std::vector<Op> ops_;
  std::vector<ValueId> outputs_;
  std::unordered_map<std::string, ValueId> by_name_;
};

}  // namespace tidemark
