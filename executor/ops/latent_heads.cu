#include "executor/device/cuda_launch.cuh"
#include "executor/ops/latent_heads_device.h"

namespace tidemark::ops {

TIDEMARK_CUDA_KERNEL(latent_heads)
TIDEMARK_CUDA_KERNEL(latent_heads_grad)

}  // namespace tidemark::ops
