#include "executor/device/cuda_launch.cuh"
#include "executor/ops/optimizer_device.h"

namespace tidemark::ops {

TIDEMARK_CUDA_KERNEL(grad_norm)
TIDEMARK_CUDA_KERNEL(adamw)
TIDEMARK_CUDA_KERNEL(sign_step)

}  // namespace tidemark::ops
