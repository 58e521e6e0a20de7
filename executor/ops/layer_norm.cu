#include "executor/device/cuda_launch.cuh"
#include "executor/ops/layer_norm_device.h"

namespace tidemark::ops {

TIDEMARK_CUDA_KERNEL(layer_norm)
TIDEMARK_CUDA_KERNEL(layer_norm_grad)

}  // namespace tidemark::ops
