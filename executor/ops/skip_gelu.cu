#include "executor/device/cuda_launch.cuh"
#include "executor/ops/skip_gelu_device.h"

namespace tidemark::ops {

TIDEMARK_CUDA_KERNEL(skip_gelu)
TIDEMARK_CUDA_KERNEL(skip_gelu_grad)

}  // namespace tidemark::ops
