#include "executor/device/cuda_launch.cuh"
#include "executor/ops/moe_device.h"

namespace tidemark::ops {

TIDEMARK_CUDA_KERNEL(moe_route)
TIDEMARK_CUDA_KERNEL(moe_route_grad)
TIDEMARK_CUDA_KERNEL(moe_load)
TIDEMARK_CUDA_KERNEL(moe_plan)
TIDEMARK_CUDA_KERNEL(weighted_swiglu)
TIDEMARK_CUDA_KERNEL(weighted_swiglu_grad)

}  // namespace tidemark::ops
