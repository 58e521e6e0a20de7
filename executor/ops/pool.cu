#include "executor/device/cuda_launch.cuh"
#include "executor/ops/pool_device.h"

namespace tidemark::ops {

TIDEMARK_CUDA_KERNEL(pool)
TIDEMARK_CUDA_KERNEL(pool_grad)

}  // namespace tidemark::ops
