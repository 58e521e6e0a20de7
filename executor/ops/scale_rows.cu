#include "executor/device/cuda_launch.cuh"
#include "executor/ops/scale_rows_device.h"

namespace tidemark::ops {

TIDEMARK_CUDA_KERNEL(scale_rows)
TIDEMARK_CUDA_KERNEL(scale_rows_grad)

}  // namespace tidemark::ops
