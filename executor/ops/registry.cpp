#include <string>
#include <unordered_map>

#include "base/error.h"
#include "executor/ops/all.h"

namespace tidemark {
namespace {

const std::unordered_map<std::string_view, Kernel>& cpu_kernels() {
  // A line per op, in the order of graph/registry.cpp.
  static const std::unordered_map<std::string_view, Kernel> kernels = {
      {"embedding", ops::embedding_cpu},
      {"embedding_grad", ops::embedding_grad_cpu},
      {"sinusoidal_positions", ops::sinusoidal_positions_cpu},
      {"linear", ops::linear_cpu},
      {"linear_grad_input", ops::linear_grad_input_cpu},
      {"linear_grad_weight", ops::linear_grad_weight_cpu},
      {"column_sum", ops::column_sum_cpu},
      {"masked_linear", ops::masked_linear_cpu},
      {"masked_linear_grad_input", ops::masked_linear_grad_input_cpu},
      {"masked_linear_grad_weight", ops::masked_linear_grad_weight_cpu},
      {"rms_norm", ops::rms_norm_cpu},
      {"rms_norm_grad", ops::rms_norm_grad_cpu},
      {"gated_rms_norm", ops::gated_rms_norm_cpu},
      {"gated_rms_norm_grad", ops::gated_rms_norm_grad_cpu},
      {"layer_norm", ops::layer_norm_cpu},
      {"layer_norm_grad", ops::layer_norm_grad_cpu},
      {"batch_norm", ops::batch_norm_cpu},
      {"batch_norm_grad", ops::batch_norm_grad_cpu},
      {"rope_table", ops::rope_table_cpu},
      {"rope", ops::rope_cpu},
      {"attention", ops::attention_cpu},
      {"attention_grad", ops::attention_grad_cpu},
      {"eager_attention", ops::eager_attention_cpu},
      {"eager_attention_grad", ops::eager_attention_grad_cpu},
      {"swiglu", ops::swiglu_cpu},
      {"swiglu_grad", ops::swiglu_grad_cpu},
      {"glu", ops::glu_cpu},
      {"glu_grad", ops::glu_grad_cpu},
      {"gated_lerp", ops::gated_lerp_cpu},
      {"gated_lerp_grad", ops::gated_lerp_grad_cpu},
      {"add", ops::add_cpu},
      {"convert", ops::convert_cpu},
      {"activation", ops::activation_cpu},
      {"activation_grad", ops::activation_grad_cpu},
      {"linear_cross_entropy", ops::linear_cross_entropy_cpu},
      {"linear_cross_entropy_grad", ops::linear_cross_entropy_grad_cpu},
      {"binary_cross_entropy", ops::binary_cross_entropy_cpu},
      {"binary_cross_entropy_grad", ops::binary_cross_entropy_grad_cpu},
      {"nade", ops::nade_cpu},
      {"nade_grad", ops::nade_grad_cpu},
      {"rnn_layer", ops::rnn_layer_cpu},
      {"rnn_layer_grad", ops::rnn_layer_grad_cpu},
      {"lstm_layer", ops::lstm_layer_cpu},
      {"lstm_layer_grad", ops::lstm_layer_grad_cpu},
      {"gru_layer", ops::gru_layer_cpu},
      {"gru_layer_grad", ops::gru_layer_grad_cpu},
      {"recurrent_weight_grad", ops::recurrent_weight_grad_cpu},
      {"causal_conv1d", ops::causal_conv1d_cpu},
      {"causal_conv1d_grad", ops::causal_conv1d_grad_cpu},
      {"selective_scan", ops::selective_scan_cpu},
      {"selective_scan_grad", ops::selective_scan_grad_cpu},
      {"ssd_scan", ops::ssd_scan_cpu},
      {"ssd_scan_grad", ops::ssd_scan_grad_cpu},
      {"diagonal_scan", ops::diagonal_scan_cpu},
      {"diagonal_scan_grad", ops::diagonal_scan_grad_cpu},
      {"ssm_kernel", ops::ssm_kernel_cpu},
      {"ssm_kernel_grad", ops::ssm_kernel_grad_cpu},
      {"long_convolution", ops::long_convolution_cpu},
      {"long_convolution_grad", ops::long_convolution_grad_cpu},
      {"retention", ops::retention_cpu},
      {"retention_grad", ops::retention_grad_cpu},
      {"token_shift", ops::token_shift_cpu},
      {"token_shift_grad", ops::token_shift_grad_cpu},
      {"wkv", ops::wkv_cpu},
      {"wkv_grad", ops::wkv_grad_cpu},
      {"wkv7", ops::wkv7_cpu},
      {"wkv7_grad", ops::wkv7_grad_cpu},
      {"wkv7_output", ops::wkv7_output_cpu},
      {"wkv7_output_grad", ops::wkv7_output_grad_cpu},
      {"scale_rows", ops::scale_rows_cpu},
      {"scale_rows_grad", ops::scale_rows_grad_cpu},
      {"skip_gelu", ops::skip_gelu_cpu},
      {"skip_gelu_grad", ops::skip_gelu_grad_cpu},
      {"pool", ops::pool_cpu},
      {"pool_grad", ops::pool_grad_cpu},
      {"moe_route", ops::moe_route_cpu},
      {"moe_route_grad", ops::moe_route_grad_cpu},
      {"moe_load", ops::moe_load_cpu},
      {"moe_plan", ops::moe_plan_cpu},
      {"weighted_swiglu", ops::weighted_swiglu_cpu},
      {"weighted_swiglu_grad", ops::weighted_swiglu_grad_cpu},
      {"grouped_linear", ops::grouped_linear_cpu},
      {"grouped_linear_grad_input", ops::grouped_linear_grad_input_cpu},
      {"grouped_linear_grad_weight", ops::grouped_linear_grad_weight_cpu},
      {"latent_heads", ops::latent_heads_cpu},
      {"latent_heads_grad", ops::latent_heads_grad_cpu},
      {"concat_columns", ops::concat_columns_cpu},
      {"split_columns", ops::split_columns_cpu},
      {"dropout", ops::dropout_cpu},
      {"clear", ops::clear_cpu},
      {"accumulate", ops::accumulate_cpu},
      {"grad_norm", ops::grad_norm_cpu},
      {"adamw", ops::adamw_cpu},
      {"sign_step", ops::sign_step_cpu},
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
