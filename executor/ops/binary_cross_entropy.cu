#include "executor/device/cuda_launch.cuh"
#include "executor/ops/binary_cross_entropy_device.h"

namespace tidemark::ops {

TIDEMARK_CUDA_KERNEL(binary_cross_entropy)
TIDEMARK_CUDA_KERNEL(binary_cross_entropy_grad)

}  // namespace tidemark::ops
