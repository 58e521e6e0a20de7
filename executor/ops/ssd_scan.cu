#include "executor/device/cuda_launch.cuh"
#include "executor/ops/ssd_scan_grad_device.h"

namespace tidemark::ops {

TIDEMARK_CUDA_KERNEL(ssd_scan)
TIDEMARK_CUDA_KERNEL(ssd_scan_grad)

}  // namespace tidemark::ops
