// One function per registry entry; graph/registry.cpp lists them.
#pragma once

#include "graph/op_def.h"

namespace tidemark::ops {

OpDef embedding();
OpDef embedding_grad();
OpDef sinusoidal_positions();
OpDef linear();
OpDef linear_grad_input();
OpDef linear_grad_weight();
OpDef column_sum();
OpDef masked_linear();
OpDef masked_linear_grad_input();
OpDef masked_linear_grad_weight();
OpDef rms_norm();
OpDef rms_norm_grad();
OpDef gated_rms_norm();
OpDef gated_rms_norm_grad();
OpDef layer_norm();
OpDef layer_norm_grad();
OpDef batch_norm();
OpDef batch_norm_grad();
OpDef rope_table();
OpDef rope();
OpDef attention();
OpDef attention_grad();
OpDef eager_attention();
OpDef eager_attention_grad();
OpDef swiglu();
OpDef swiglu_grad();
OpDef glu();
OpDef glu_grad();
OpDef gated_lerp();
OpDef gated_lerp_grad();
OpDef add();
OpDef convert();
OpDef activation();
OpDef activation_grad();
OpDef linear_cross_entropy();
OpDef linear_cross_entropy_grad();
OpDef binary_cross_entropy();
OpDef binary_cross_entropy_grad();
OpDef nade();
OpDef nade_grad();
OpDef rnn_layer();
OpDef rnn_layer_grad();
OpDef lstm_layer();
OpDef lstm_layer_grad();
OpDef gru_layer();
OpDef gru_layer_grad();
OpDef recurrent_weight_grad();
OpDef causal_conv1d();
OpDef causal_conv1d_grad();
OpDef selective_scan();
OpDef selective_scan_grad();
OpDef ssd_scan();
OpDef ssd_scan_grad();
OpDef diagonal_scan();
OpDef diagonal_scan_grad();
OpDef ssm_kernel();
OpDef ssm_kernel_grad();
OpDef long_convolution();
OpDef long_convolution_grad();
OpDef retention();
OpDef retention_grad();
OpDef token_shift();
OpDef token_shift_grad();
OpDef wkv();
OpDef wkv_grad();
OpDef wkv7();
OpDef wkv7_grad();
OpDef wkv7_output();
OpDef wkv7_output_grad();
OpDef scale_rows();
OpDef scale_rows_grad();
OpDef skip_gelu();
OpDef skip_gelu_grad();
OpDef pool();
OpDef pool_grad();
OpDef concat_columns();
OpDef split_columns();
OpDef dropout();
OpDef clear();
OpDef accumulate();
OpDef grad_norm();
OpDef adamw();

OpDef opaque();  ///< not in the registry: it can be planned but has no kernel

}  // namespace tidemark::ops
