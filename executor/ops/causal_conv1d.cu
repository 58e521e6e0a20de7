#include "executor/device/cuda_launch.cuh"
#include "executor/ops/causal_conv1d_device.h"

namespace tidemark::ops {

TIDEMARK_CUDA_KERNEL(causal_conv1d)
TIDEMARK_CUDA_KERNEL(causal_conv1d_grad)

}  // namespace tidemark::ops
