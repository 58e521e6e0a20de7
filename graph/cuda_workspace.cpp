#include "graph/cuda_workspace.h"

#include <algorithm>
#include <functional>
#include <map>

#include "base/divided.h"
#include "graph/cuda_scan_workspace.h"

namespace tidemark::cuda {
namespace {

int64_t cross_entropy(const OpView& op, bool with_gradient) {
  const int64_t tokens = op.in(0).shape[0];
  const int64_t chunk_rows = std::min(tokens, op.attributes().integer("chunk_rows"));
  return cross_entropy_space(tokens, op.in(1).shape[0], chunk_rows, op.in(0).dtype, with_gradient).bytes();
}

/// Of the selective scan: four lanes of a warp have a channel's.
bool in_registers(int64_t states) {
  return states <= 16;
}

int64_t selective_scan(const OpView& op) {
  const int64_t channels = op.in(0).shape[1], states = op.in(4).shape[1], sequences = op.in(7).shape[0] - 1;
  return spilled_scratch(sequences * selective_scan_blocks(channels, states), selective_scan_bytes(states));
}

/// The states after each row of a chunk where they are many, the blocks' parts of the gradients of B and C,
/// and the sequences' of A, D and the step's bias.
int64_t selective_scan_grad(const OpView& op) {
  const int64_t rows = op.in(1).shape[0], channels = op.in(1).shape[1], states = op.in(5).shape[1];
  const int64_t sequences = op.in(9).shape[0] - 1, lanes = sequences * channels;
  const int64_t chunk_rows = std::min(rows, op.attributes().integer("chunk_rows"));
  const int64_t blocks = selective_scan_blocks(channels, states);
  const int64_t history = in_registers(states) ? 0 : chunk_rows * states * lanes;
  return rounded(4 * (history + blocks * rows * 2 * states + (states + 2) * lanes)) +
         spilled_scratch(sequences * blocks, selective_scan_grad_bytes(states));
}

/// `weight` and `sizes` are indices of inputs.
auto recurrent(int weight, int sizes, bool backward) {
  return [=](const OpView& op) {
    const TensorType& w = op.in(weight);
    const int64_t hidden = w.shape[1];
    return recurrent_space(op.in(sizes).shape[0], op.attributes().integer("max_batch"), hidden,
                           w.shape[0] / hidden, w.dtype, backward)
        .bytes();
  };
}

/// Where the product is summed over each token's slots: their places, and the product. `combine`: the
/// attribute's value that says so.
int64_t grouped_linear_workspace(const OpView& op, bool combine) {
  if (op.attributes().flag("combine") != combine) return 0;
  const TensorType& y = op.out(0);
  const int64_t slots = op.in(2).shape[0];
  return rounded(4 * slots) + rounded(slots * y.shape[1] * size_of(y.dtype));
}

using Workspaces = std::map<std::string_view, std::function<int64_t(const OpView&)>>;

const Workspaces& workspaces() {
  const auto product = [](const OpView&) { return kMatmulWorkspace; };
  const auto masked_product = [](const OpView& op) { return kMatmulWorkspace + rounded(op.in(1).bytes()); };
  static const Workspaces kAll = {
      // Of each token: the next of its id, and whether it is the first.
      {"embedding_grad", [](const OpView& op) { return rounded(8 * op.in(0).shape[0]); }},
      {"linear", product},
      {"linear_grad_input", product},
      {"linear_grad_weight", product},
      {"masked_linear", masked_product},
      {"masked_linear_grad_input", masked_product},
      {"masked_linear_grad_weight",
       [](const OpView& op) { return kMatmulWorkspace + rounded(4 * op.out(0).shape.elements()); }},
      {"rms_norm_grad",
       [](const OpView& op) {
         const TensorType& x = op.in(1);
         return op.has_out(1) ? rounded(4 * row_parts(x.shape[0]) * x.shape[1]) : 0;
       }},
      {"gated_rms_norm_grad",
       [](const OpView& op) { return rounded(4 * row_parts(op.in(1).shape[0]) * op.in(1).shape[1]); }},
      // Of the weight's gradient and of the bias's.
      {"layer_norm_grad",
       [](const OpView& op) {
         const TensorType& x = op.in(1);
         return op.has_out(1) || op.has_out(2) ? rounded(2 * 4 * row_parts(x.shape[0]) * x.shape[1]) : 0;
       }},
      {"rnn_layer", recurrent(1, 3, false)},
      {"rnn_layer_grad", recurrent(2, 3, true)},
      {"lstm_layer", recurrent(1, 3, false)},
      {"lstm_layer_grad", recurrent(3, 4, true)},
      {"gru_layer", recurrent(1, 3, false)},
      {"gru_layer_grad", recurrent(4, 5, true)},
      {"recurrent_weight_grad",
       [](const OpView& op) {
         return kMatmulWorkspace + recurrent_first_bytes(op.in(2).shape[0]) + rounded(op.in(1).bytes());
       }},
      {"causal_conv1d_grad", causal_conv1d_grad_workspace},
      {"selective_scan", selective_scan},
      {"selective_scan_grad", selective_scan_grad},
      // Of each sequence and channel, the two parts of a complex sum in f64.
      {"diagonal_scan_grad",
       [](const OpView& op) { return rounded(16 * (op.in(6).shape[0] - 1) * op.in(0).shape[1]); }},
      {"skip_gelu_grad",
       [](const OpView& op) {
         const TensorType& x = op.in(1);
         return rounded(4 * row_parts(x.shape[0]) * x.shape[1]);
       }},
      // Of each strip: the next one's first row, and a part of the gradient of mix.
      {"token_shift_grad",
       [](const OpView& op) { return rounded(2 * 4 * row_parts(op.in(1).shape[0]) * op.in(1).shape[1]); }},
      {"wkv_grad",
       [](const OpView& op) {
         const TensorType& k = op.in(1);
         const int64_t lanes = (op.in(6).shape[0] - 1) * k.shape[1];
         const int64_t chunk_rows = std::min(k.shape[0], op.attributes().integer("chunk_rows"));
         return rounded(lanes * (kWkvSumsBytes + chunk_rows * kWkvStateBytes));
       }},
      {"ssd_scan", ssd_scan_workspace},
      {"ssd_scan_grad", ssd_scan_grad_workspace},
      {"ssm_kernel", ssm_kernel_workspace},
      {"ssm_kernel_grad", ssm_kernel_grad_workspace},
      {"long_convolution", [](const OpView& op) { return long_convolution_workspace(op, false); }},
      {"long_convolution_grad", [](const OpView& op) { return long_convolution_workspace(op, true); }},
      {"retention", retention_workspace},
      {"retention_grad", [](const OpView& op) { return retention_grad_space(op).bytes(); }},
      {"wkv7", wkv7_workspace},
      {"wkv7_grad", wkv7_grad_workspace},
      {"wkv7_output_grad", wkv7_output_grad_workspace},
      {"moe_route", [](const OpView& op) { return rounded(op.in(0).bytes()); }},
      {"grouped_linear", [](const OpView& op) { return grouped_linear_workspace(op, true); }},
      {"grouped_linear_grad_input", [](const OpView& op) { return grouped_linear_workspace(op, false); }},
      {"nade", nade_workspace},
      {"nade_grad", nade_grad_workspace},
      {"eager_attention", product},
      {"eager_attention_grad", eager_attention_grad_workspace},
      {"attention_grad",
       [](const OpView& op) { return rounded(4 * op.in(1).shape[0] * op.attributes().integer("heads")); }},
      {"linear_cross_entropy", [](const OpView& op) { return cross_entropy(op, false); }},
      {"linear_cross_entropy_grad", [](const OpView& op) { return cross_entropy(op, true); }},
      {"grad_norm",
       [](const OpView& op) {
         int64_t blocks = 0;
         for (int i = 0; i < op.inputs(); ++i) blocks += grad_norm_blocks(op.in(i).shape.elements());
         return rounded(8 * blocks);
       }},
  };
  return kAll;
}

}  // namespace

int64_t workspace(const OpView& op) {
  const auto found = workspaces().find(op.op().def->name);
  return found == workspaces().end() ? 0 : found->second(op);
}

int64_t rounded(int64_t bytes) {
  return (bytes + 63) / 64 * 64;
}

int64_t spilled_scratch(int64_t blocks, int64_t bytes) {
  return bytes > kLeastShared ? rounded(blocks * bytes) : 0;
}

int64_t row_parts(int64_t rows) {
  return divided(rows, kPartRows);
}

int64_t recurrent_first_bytes(int64_t times) {
  return rounded(4 * (times + 1));
}

RecurrentSpace recurrent_space(int64_t times, int64_t max_batch, int64_t hidden, int64_t gates, DType dtype,
                               bool backward) {
  const int64_t units = max_batch * hidden;
  RecurrentSpace space;
  space.first_bytes = recurrent_first_bytes(times);
  space.state_bytes = rounded(size_of(dtype) * units * (backward ? gates : 1));
  space.product_bytes = rounded(4 * units * (backward ? 1 : gates));
  space.carry_bytes = backward ? rounded(4 * units) : 0;
  return space;
}

int64_t selective_scan_lanes(int64_t states) {
  if (in_registers(states)) return 64;
  constexpr int64_t kSharedNumbers = 12 << 10;  // 48 KiB: what a block gets without asking
  return std::clamp<int64_t>(kSharedNumbers / (5 * states) / 32 * 32, 32, 128);
}

int64_t selective_scan_blocks(int64_t channels, int64_t states) {
  const int64_t lanes = selective_scan_lanes(states);
  return divided(channels, lanes);
}

int64_t selective_scan_bytes(int64_t states) {
  if (in_registers(states)) return 0;
  return 4 * 2 * states * selective_scan_lanes(states);
}

int64_t selective_scan_grad_bytes(int64_t states) {
  if (in_registers(states)) return 0;
  const int64_t lanes = selective_scan_lanes(states);
  return 4 * (states * (3 * lanes + 2 * (lanes + 1)) + 2 * lanes);
}

int64_t grad_norm_blocks(int64_t elements) {
  return divided(elements, kGradNormBlock);
}

CrossEntropySpace cross_entropy_space(int64_t tokens, int64_t vocabulary, int64_t chunk_rows, DType dtype,
                                      bool with_gradient) {
  CrossEntropySpace space;
  space.logits_bytes = rounded(4 * chunk_rows * vocabulary);
  if (with_gradient && dtype != DType::f32)
    space.dlogits_bytes = rounded(size_of(dtype) * chunk_rows * vocabulary);
  space.losses_bytes = rounded(4 * tokens);
  space.count_bytes = rounded(4);
  return space;
}

}  // namespace tidemark::cuda
