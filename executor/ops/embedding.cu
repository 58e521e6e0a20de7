#include "executor/device/cuda_launch.cuh"
#include "executor/ops/embedding_device.h"

namespace tidemark::ops {

TIDEMARK_CUDA_KERNEL(embedding)
TIDEMARK_CUDA_KERNEL(embedding_grad)
TIDEMARK_CUDA_KERNEL(sinusoidal_positions)

}  // namespace tidemark::ops
