#include "executor/device/cuda_launch.cuh"
#include "executor/ops/dropout_device.h"

namespace tidemark::ops {

TIDEMARK_CUDA_KERNEL(dropout)

}  // namespace tidemark::ops
