// The op registry: everything about an op that is not a kernel.
//
// An op is one OpDef in graph/ops/ and, in executor/ops/, its kernels. Nothing is saved behind the
// graph's back: what a gradient needs are ordinary inputs of ordinary gradient ops, so a planner sees
// every byte.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"

namespace tidemark {

/// An op with its operands' types at hand. `in(i)` of an absent optional input throws.
class OpView {
 public:
  OpView(const Graph& graph, const Op& op) : graph_(graph), op_(op) {}
  const Op& op() const { return op_; }
  const Attributes& attributes() const { return op_.attributes; }
  int inputs() const { return static_cast<int>(op_.inputs.size()); }
  bool has_in(int i) const { return i < inputs() && op_.inputs[static_cast<size_t>(i)] != kNone; }
  bool has_out(int i) const {
    return i < static_cast<int>(op_.outputs.size()) && op_.outputs[static_cast<size_t>(i)] != kNone;
  }
  const TensorType& in(int i) const { return graph_.value(op_.inputs.at(static_cast<size_t>(i))).type; }
  const TensorType& out(int i) const { return graph_.value(op_.outputs.at(static_cast<size_t>(i))).type; }
  const Graph& graph() const { return graph_; }

 private:
  const Graph& graph_;
  const Op& op_;
};

/// What an op costs on any device: floating-point operations (a multiply-add is two), and bytes that
/// must move at least once between the chip and memory.
struct Work {
  double flops = 0;
  double bytes = 0;
};

/// Whose kernels run the ops: their scratch space differs.
enum class DeviceKind : uint8_t { cpu, cuda };

/// The facts about a device that change an op's workspace.
struct DeviceTraits {
  int threads = 1;  ///< of a CPU
  DeviceKind kind = DeviceKind::cpu;
};

/// Output `out` shares the storage of input `in`. `required`: always, the op updates it (AdamW's
/// parameter). Otherwise: it may, where the input dies at this op and the sizes agree.
struct Alias {
  int out = 0;
  int in = 0;
  bool required = false;
};

/// Handed to OpDef::gradient: emits ordinary backward ops for one forward op.
class GradientContext {
 public:
  virtual ~GradientContext() = default;
  virtual const Graph& graph() const = 0;
  virtual const Op& op() const = 0;
  /// Gradient of output i, kNone if nothing depends on it.
  virtual ValueId grad_out(int i) const = 0;
  /// Whether anybody wants the gradient of input i.
  virtual bool wants(int i) const = 0;
  /// Adds a backward op named "<op>.<suffix>", or as the op itself where the suffix is empty, and returns
  /// its id.
  virtual OpId emit(std::string kind, std::string suffix, std::vector<ValueId> inputs,
                    Attributes attributes = {}) = 0;
  /// Adds `gradient` to what input i has received so far.
  virtual void add_grad(int i, ValueId gradient) = 0;
  /// Takes away what input i has received so far (kNone: nothing), for an op that adds its own to it
  /// and gives the sum back with add_grad.
  virtual ValueId take_grad(int i) = 0;

  ValueId in(int i) const { return op().inputs.at(static_cast<size_t>(i)); }
  ValueId out(int i) const { return op().outputs.at(static_cast<size_t>(i)); }
  ValueId output_of(OpId id, int i = 0) const { return graph().op(id).outputs.at(static_cast<size_t>(i)); }
};

class OpDef {
 public:
  std::string_view name;
  /// Names of the inputs and outputs in order, for errors and dumps. A trailing "?" marks an optional
  /// one; a trailing "*" on the last input or the only output, any number.
  std::vector<std::string_view> input_names;
  std::vector<std::string_view> output_names;
  /// The outputs' types; throws Error (use the helpers of graph/ops/check.h) on operands that do not fit.
  std::function<std::vector<TensorType>(const OpView&)> infer;
  /// Empty: the op has no gradient, and asking for one is an error.
  std::function<void(GradientContext&)> gradient = {};
  /// Of a loss: emits the one op that makes the loss and, times `scale`, its gradients
  /// (docs/decisions/0003), hands these on and returns the loss. Empty: the op is no loss.
  std::function<ValueId(GradientContext&, double scale)> loss_gradient = {};
  std::function<Work(const OpView&)> work;
  /// Scratch bytes of its CPU kernel, empty: none. Must not depend on data, only on shapes and the device.
  /// What asks for a device's is workspace_bytes().
  std::function<int64_t(const OpView&, const DeviceTraits&)> workspace = {};
  std::vector<Alias> aliases = {};
  /// Bandwidth-bound and short: worth recomputing even where memory is not scarce.
  bool cheap = false;
  /// Reads random state: its clones must (and do, by counter) draw the same numbers.
  bool random = false;

  int min_inputs() const;         ///< without trailing optional and variadic ones
  bool variadic() const;          ///< takes any number of inputs
  bool variadic_outputs() const;  ///< names its outputs itself (Graph::NewOp::outputs)
};

/// Scratch bytes of an op's kernel on a device. An opaque op's are the same everywhere.
int64_t workspace_bytes(const OpView& op, const DeviceTraits& device);

/// All ops that can run, in a fixed order.
const std::vector<const OpDef*>& op_registry();
/// One of them, or `opaque` (ops/opaque.cpp). Throws Error naming `where` if there is no such op.
const OpDef& find_op(std::string_view name, std::string_view where);

}  // namespace tidemark
