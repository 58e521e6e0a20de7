#include "executor/device/cuda_launch.cuh"
#include "executor/ops/rope_device.h"

namespace tidemark::ops {

TIDEMARK_CUDA_KERNEL(rope_table)
TIDEMARK_CUDA_KERNEL(rope)

}  // namespace tidemark::ops
