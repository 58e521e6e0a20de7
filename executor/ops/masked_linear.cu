#include "executor/device/cuda_launch.cuh"
#include "executor/ops/masked_linear_device.h"

namespace tidemark::ops {

TIDEMARK_CUDA_KERNEL(masked_linear)
TIDEMARK_CUDA_KERNEL(masked_linear_grad_input)
TIDEMARK_CUDA_KERNEL(masked_linear_grad_weight)

}  // namespace tidemark::ops
