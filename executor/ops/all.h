// The CPU kernels, one per registry entry (docs/ops.md says what each computes); registry.cpp lists them.
#pragma once

#include "executor/kernel.h"

namespace tidemark::ops {

void embedding_cpu(const KernelArgs& args);
void embedding_grad_cpu(const KernelArgs& args);
void sinusoidal_positions_cpu(const KernelArgs& args);
void linear_cpu(const KernelArgs& args);
void linear_grad_input_cpu(const KernelArgs& args);
void linear_grad_weight_cpu(const KernelArgs& args);
void column_sum_cpu(const KernelArgs& args);
void masked_linear_cpu(const KernelArgs& args);
void masked_linear_grad_input_cpu(const KernelArgs& args);
void masked_linear_grad_weight_cpu(const KernelArgs& args);
void rms_norm_cpu(const KernelArgs& args);
void rms_norm_grad_cpu(const KernelArgs& args);
void gated_rms_norm_cpu(const KernelArgs& args);
void gated_rms_norm_grad_cpu(const KernelArgs& args);
void layer_norm_cpu(const KernelArgs& args);
void layer_norm_grad_cpu(const KernelArgs& args);
void batch_norm_cpu(const KernelArgs& args);
void batch_norm_grad_cpu(const KernelArgs& args);
void rope_table_cpu(const KernelArgs& args);
void rope_cpu(const KernelArgs& args);
void attention_cpu(const KernelArgs& args);
void attention_grad_cpu(const KernelArgs& args);
void eager_attention_cpu(const KernelArgs& args);
void eager_attention_grad_cpu(const KernelArgs& args);
void swiglu_cpu(const KernelArgs& args);
void swiglu_grad_cpu(const KernelArgs& args);
void glu_cpu(const KernelArgs& args);
void glu_grad_cpu(const KernelArgs& args);
void add_cpu(const KernelArgs& args);
void convert_cpu(const KernelArgs& args);
void activation_cpu(const KernelArgs& args);
void activation_grad_cpu(const KernelArgs& args);
void linear_cross_entropy_cpu(const KernelArgs& args);
void linear_cross_entropy_grad_cpu(const KernelArgs& args);
void binary_cross_entropy_cpu(const KernelArgs& args);
void binary_cross_entropy_grad_cpu(const KernelArgs& args);
void nade_cpu(const KernelArgs& args);
void nade_grad_cpu(const KernelArgs& args);
void rnn_layer_cpu(const KernelArgs& args);
void rnn_layer_grad_cpu(const KernelArgs& args);
void lstm_layer_cpu(const KernelArgs& args);
void lstm_layer_grad_cpu(const KernelArgs& args);
void gru_layer_cpu(const KernelArgs& args);
void gru_layer_grad_cpu(const KernelArgs& args);
void recurrent_weight_grad_cpu(const KernelArgs& args);
void causal_conv1d_cpu(const KernelArgs& args);
void causal_conv1d_grad_cpu(const KernelArgs& args);
void selective_scan_cpu(const KernelArgs& args);
void selective_scan_grad_cpu(const KernelArgs& args);
void ssd_scan_cpu(const KernelArgs& args);
void ssd_scan_grad_cpu(const KernelArgs& args);
void diagonal_scan_cpu(const KernelArgs& args);
void diagonal_scan_grad_cpu(const KernelArgs& args);
void ssm_kernel_cpu(const KernelArgs& args);
void ssm_kernel_grad_cpu(const KernelArgs& args);
void long_convolution_cpu(const KernelArgs& args);
void long_convolution_grad_cpu(const KernelArgs& args);
void retention_cpu(const KernelArgs& args);
void retention_grad_cpu(const KernelArgs& args);
void token_shift_cpu(const KernelArgs& args);
void token_shift_grad_cpu(const KernelArgs& args);
void wkv_cpu(const KernelArgs& args);
void wkv_grad_cpu(const KernelArgs& args);
void scale_rows_cpu(const KernelArgs& args);
void scale_rows_grad_cpu(const KernelArgs& args);
void skip_gelu_cpu(const KernelArgs& args);
void skip_gelu_grad_cpu(const KernelArgs& args);
void pool_cpu(const KernelArgs& args);
void pool_grad_cpu(const KernelArgs& args);
void concat_columns_cpu(const KernelArgs& args);
void split_columns_cpu(const KernelArgs& args);
void dropout_cpu(const KernelArgs& args);
void clear_cpu(const KernelArgs& args);
void accumulate_cpu(const KernelArgs& args);
void grad_norm_cpu(const KernelArgs& args);
void adamw_cpu(const KernelArgs& args);

}  // namespace tidemark::ops
