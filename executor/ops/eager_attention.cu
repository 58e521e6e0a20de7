#include "executor/device/cuda_launch.cuh"
#include "executor/ops/eager_attention_device.h"

namespace tidemark::ops {

TIDEMARK_CUDA_KERNEL(eager_attention)
TIDEMARK_CUDA_KERNEL(eager_attention_grad)

}  // namespace tidemark::ops
