#include "executor/device/cuda_launch.cuh"
#include "executor/ops/ssm_kernel_device.h"

namespace tidemark::ops {

TIDEMARK_CUDA_KERNEL(ssm_kernel)
TIDEMARK_CUDA_KERNEL(ssm_kernel_grad)

}  // namespace tidemark::ops
