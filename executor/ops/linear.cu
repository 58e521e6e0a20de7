#include "executor/device/cuda_launch.cuh"
#include "executor/ops/linear_device.h"

namespace tidemark::ops {

TIDEMARK_CUDA_KERNEL(linear)
TIDEMARK_CUDA_KERNEL(linear_grad_input)
TIDEMARK_CUDA_KERNEL(linear_grad_weight)
TIDEMARK_CUDA_KERNEL(column_sum)

}  // namespace tidemark::ops
