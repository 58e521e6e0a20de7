#include "executor/device/cuda_launch.cuh"
#include "executor/ops/recurrent_weight_grad_device.h"

namespace tidemark::ops {

TIDEMARK_CUDA_KERNEL(rnn_layer)
TIDEMARK_CUDA_KERNEL(rnn_layer_grad)
TIDEMARK_CUDA_KERNEL(lstm_layer)
TIDEMARK_CUDA_KERNEL(lstm_layer_grad)
TIDEMARK_CUDA_KERNEL(gru_layer)
TIDEMARK_CUDA_KERNEL(gru_layer_grad)
TIDEMARK_CUDA_KERNEL(recurrent_weight_grad)

}  // namespace tidemark::ops
