#include "executor/device/cuda_launch.cuh"
#include "executor/ops/columns_device.h"

namespace tidemark::ops {

TIDEMARK_CUDA_KERNEL(concat_columns)
TIDEMARK_CUDA_KERNEL(split_columns)

}  // namespace tidemark::ops
