#include "executor/device/cuda_launch.cuh"
#include "executor/ops/batch_norm_device.h"

namespace tidemark::ops {

TIDEMARK_CUDA_KERNEL(batch_norm)
TIDEMARK_CUDA_KERNEL(batch_norm_grad)

}  // namespace tidemark::ops
