#include "executor/device/cuda_launch.cuh"
#include "executor/ops/token_shift_device.h"

namespace tidemark::ops {

TIDEMARK_CUDA_KERNEL(token_shift)
TIDEMARK_CUDA_KERNEL(token_shift_grad)

}  // namespace tidemark::ops
