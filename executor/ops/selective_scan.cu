#include "executor/device/cuda_launch.cuh"
#include "executor/ops/selective_scan_device.h"
#include "executor/ops/selective_scan_grad_device.h"

namespace tidemark::ops {

TIDEMARK_CUDA_KERNEL(selective_scan)
TIDEMARK_CUDA_KERNEL(selective_scan_grad)

}  // namespace tidemark::ops
