// The CUDA kernels by op.
#pragma once

#include <string_view>

#include "executor/kernel.h"

namespace tidemark {

namespace device {
class CudaDevice;
}

/// As Kernel; all it launches is on the device's stream.
using CudaKernel = void (*)(const KernelArgs&, device::CudaDevice&);

/// Throws Error where the op has none.
CudaKernel find_cuda_kernel(std::string_view op_name);

}  // namespace tidemark
