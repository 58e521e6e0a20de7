#include "executor/device/cuda_launch.cuh"
#include "executor/ops/wkv7_device.h"
#include "executor/ops/wkv7_grad_device.h"
#include "executor/ops/wkv7_output_device.h"

namespace tidemark::ops {

TIDEMARK_CUDA_KERNEL(wkv7)
TIDEMARK_CUDA_KERNEL(wkv7_grad)
TIDEMARK_CUDA_KERNEL(wkv7_output)
TIDEMARK_CUDA_KERNEL(wkv7_output_grad)

}  // namespace tidemark::ops
