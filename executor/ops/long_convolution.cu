#include "executor/device/cuda_launch.cuh"
#include "executor/ops/long_convolution_device.h"

namespace tidemark::ops {

TIDEMARK_CUDA_KERNEL(long_convolution)
TIDEMARK_CUDA_KERNEL(long_convolution_grad)

}  // namespace tidemark::ops
