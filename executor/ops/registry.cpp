#include <string>
#include <unordered_map>

#include "base/error.h"
#include "executor/ops/all.h"

namespace tidemark {
namespace {

const std::unordered_map<std::string_view, Kernel>& cpu_kernels() {
  // A line per op, in the order of graph/registry.cpp.
  static const std::unordered_map<std::string_view, Kernel> kernels = {
      {"attention", ops::attention_cpu},
      {"attention_grad", ops::attention_grad_cpu},
      {"rnn_layer", ops::rnn_layer_cpu},
      {"rnn_layer_grad", ops::rnn_layer_grad_cpu},
      {"lstm_layer", ops::lstm_layer_cpu},
      {"lstm_layer_grad", ops::lstm_layer_grad_cpu},
      {"gru_layer", ops::gru_layer_cpu},
      {"gru_layer_grad", ops::gru_layer_grad_cpu},
      {"recurrent_weight_grad", ops::recurrent_weight_grad_cpu},
  };
  return kernels;
}

}  // namespace

Kernel find_cpu_kernel(std::string_view op_name) {
  const auto found = cpu_kernels().find(op_name);
  if (found == cpu_kernels().end())
    throw InternalError("the op '" + std::string(op_name) + "' has no CPU kernel");
  return found->second;
}

}  // namespace tidemark
