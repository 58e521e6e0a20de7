#include "executor/device/cuda_launch.cuh"
#include "executor/ops/pointwise_device.h"

namespace tidemark::ops {

TIDEMARK_CUDA_KERNEL(swiglu)
TIDEMARK_CUDA_KERNEL(swiglu_grad)
TIDEMARK_CUDA_KERNEL(glu)
TIDEMARK_CUDA_KERNEL(glu_grad)
TIDEMARK_CUDA_KERNEL(gated_lerp)
TIDEMARK_CUDA_KERNEL(gated_lerp_grad)
TIDEMARK_CUDA_KERNEL(add)
TIDEMARK_CUDA_KERNEL(convert)
TIDEMARK_CUDA_KERNEL(activation)
TIDEMARK_CUDA_KERNEL(activation_grad)
TIDEMARK_CUDA_KERNEL(clear)
TIDEMARK_CUDA_KERNEL(accumulate)

}  // namespace tidemark::ops
