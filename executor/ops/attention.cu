#include "executor/device/cuda_launch.cuh"
#include "executor/ops/attention_device.h"

namespace tidemark::ops {

TIDEMARK_CUDA_KERNEL(attention)
TIDEMARK_CUDA_KERNEL(attention_grad)

}  // namespace tidemark::ops
