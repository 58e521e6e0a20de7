#include "executor/device/cuda_launch.cuh"
#include "executor/ops/retention_device.h"

namespace tidemark::ops {

TIDEMARK_CUDA_KERNEL(retention)
TIDEMARK_CUDA_KERNEL(retention_grad)

}  // namespace tidemark::ops
