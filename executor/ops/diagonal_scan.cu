#include "executor/device/cuda_launch.cuh"
#include "executor/ops/diagonal_scan_device.h"

namespace tidemark::ops {

TIDEMARK_CUDA_KERNEL(diagonal_scan)
TIDEMARK_CUDA_KERNEL(diagonal_scan_grad)

}  // namespace tidemark::ops
