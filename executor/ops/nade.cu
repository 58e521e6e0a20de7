#include "executor/device/cuda_launch.cuh"
#include "executor/ops/nade_device.h"

namespace tidemark::ops {

TIDEMARK_CUDA_KERNEL(nade)
TIDEMARK_CUDA_KERNEL(nade_grad)

}  // namespace tidemark::ops
