#include "executor/device/cuda_launch.cuh"
#include "executor/ops/grouped_linear_device.h"

namespace tidemark::ops {

TIDEMARK_CUDA_KERNEL(grouped_linear)
TIDEMARK_CUDA_KERNEL(grouped_linear_grad_input)
TIDEMARK_CUDA_KERNEL(grouped_linear_grad_weight)

}  // namespace tidemark::ops
