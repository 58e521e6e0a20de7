#include <array>

#include "base/error.h"
#include "graph/cuda_workspace.h"
#include "graph/opaque.h"
#include "graph/ops/all.h"

namespace tidemark {
namespace {

const std::vector<OpDef>& definitions() {
  static const std::vector<OpDef> kAll = {
      ops::embedding(),
      ops::embedding_grad(),
      ops::sinusoidal_positions(),
      ops::linear(),
      ops::linear_grad_input(),
      ops::linear_grad_weight(),
      ops::column_sum(),
      ops::masked_linear(),
      ops::masked_linear_grad_input(),
      ops::masked_linear_grad_weight(),
      ops::rms_norm(),
      ops::rms_norm_grad(),
      ops::gated_rms_norm(),
      ops::gated_rms_norm_grad(),
      ops::layer_norm(),
      ops::layer_norm_grad(),
      ops::batch_norm(),
      ops::batch_norm_grad(),
      ops::rope_table(),
      ops::rope(),
      ops::attention(),
      ops::attention_grad(),
      ops::eager_attention(),
      ops::eager_attention_grad(),
      ops::swiglu(),
      ops::swiglu_grad(),
      ops::glu(),
      ops::glu_grad(),
      ops::gated_lerp(),
      ops::gated_lerp_grad(),
      ops::add(),
      ops::convert(),
      ops::activation(),
      ops::activation_grad(),
      ops::linear_cross_entropy(),
      ops::linear_cross_entropy_grad(),
      ops::binary_cross_entropy(),
      ops::binary_cross_entropy_grad(),
      ops::nade(),
      ops::nade_grad(),
      ops::rnn_layer(),
      ops::rnn_layer_grad(),
      ops::lstm_layer(),
      ops::lstm_layer_grad(),
      ops::gru_layer(),
      ops::gru_layer_grad(),
      ops::recurrent_weight_grad(),
      ops::causal_conv1d(),
      ops::causal_conv1d_grad(),
      ops::selective_scan(),
      ops::selective_scan_grad(),
      ops::ssd_scan(),
      ops::ssd_scan_grad(),
      ops::diagonal_scan(),
      ops::diagonal_scan_grad(),
      ops::ssm_kernel(),
      ops::ssm_kernel_grad(),
      ops::long_convolution(),
      ops::long_convolution_grad(),
      ops::retention(),
      ops::retention_grad(),
      ops::token_shift(),
      ops::token_shift_grad(),
      ops::wkv(),
      ops::wkv_grad(),
      ops::wkv7(),
      ops::wkv7_grad(),
      ops::wkv7_output(),
      ops::wkv7_output_grad(),
      ops::scale_rows(),
      ops::scale_rows_grad(),
      ops::skip_gelu(),
      ops::skip_gelu_grad(),
      ops::pool(),
      ops::pool_grad(),
      ops::moe_route(),
      ops::moe_route_grad(),
      ops::moe_load(),
      ops::moe_plan(),
      ops::weighted_swiglu(),
      ops::weighted_swiglu_grad(),
      ops::grouped_linear(),
      ops::grouped_linear_grad_input(),
      ops::grouped_linear_grad_weight(),
      ops::latent_heads(),
      ops::latent_heads_grad(),
      ops::concat_columns(),
      ops::split_columns(),
      ops::dropout(),
      ops::clear(),
      ops::accumulate(),
      ops::grad_norm(),
      ops::adamw(),
      ops::sign_step(),
  };
  return kAll;
}

}  // namespace

int OpDef::min_inputs() const {
  int n = static_cast<int>(input_names.size());
  const auto needed = [&](int i) {
    const char last = input_names[static_cast<size_t>(i)].back();
    return last != '?' && last != '*';
  };
  while (n > 0 && !needed(n - 1)) --n;
  return n;
}

bool OpDef::variadic() const {
  return !input_names.empty() && input_names.back().back() == '*';
}

bool OpDef::variadic_outputs() const {
  return !output_names.empty() && output_names.back().back() == '*';
}

int64_t workspace_bytes(const OpView& op, const DeviceTraits& device) {
  const OpDef& def = *op.op().def;
  if (device.kind == DeviceKind::cuda && !is_opaque(op.op())) return cuda::workspace(op);
  return def.workspace ? def.workspace(op, device) : 0;
}

const std::vector<const OpDef*>& op_registry() {
  static const std::vector<const OpDef*> kPointers = [] {
    std::vector<const OpDef*> all;
    for (const OpDef& def : definitions()) all.push_back(&def);
    return all;
  }();
  return kPointers;
}

const OpDef& find_op(std::string_view name, std::string_view where) {
  for (const OpDef* def : op_registry())
    if (def->name == name) return *def;
  static const OpDef kOpaque = ops::opaque();
  if (name == kOpaque.name) return kOpaque;
  throw Error("bad op", std::string(where), "there is no op '" + std::string(name) + "'",
              "docs/ops.md lists them");
}

}  // namespace tidemark
