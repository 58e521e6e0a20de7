#include "executor/device/cuda_launch.cuh"
#include "executor/ops/wkv_device.h"

namespace tidemark::ops {

TIDEMARK_CUDA_KERNEL(wkv)
TIDEMARK_CUDA_KERNEL(wkv_grad)

}  // namespace tidemark::ops
