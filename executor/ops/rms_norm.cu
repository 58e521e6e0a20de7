#include "executor/device/cuda_launch.cuh"
#include "executor/ops/gated_rms_norm_device.h"
#include "executor/ops/rms_norm_device.h"

namespace tidemark::ops {

TIDEMARK_CUDA_KERNEL(rms_norm)
TIDEMARK_CUDA_KERNEL(rms_norm_grad)
TIDEMARK_CUDA_KERNEL(gated_rms_norm)
TIDEMARK_CUDA_KERNEL(gated_rms_norm_grad)

}  // namespace tidemark::ops
