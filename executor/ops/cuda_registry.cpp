#include "executor/ops/cuda_registry.h"

#include <map>

#include "base/error.h"
#include "executor/device/cuda_device.h"

namespace tidemark {
namespace ops {
#define TIDEMARK_DEVICE_OP(op) void op##_cuda(const KernelArgs& args, device::CudaDevice& cuda_device);
#include "executor/ops/device_ops.def"
#undef TIDEMARK_DEVICE_OP
}  // namespace ops

CudaKernel find_cuda_kernel(std::string_view op_name) {
  static const std::map<std::string_view, CudaKernel> kernels = {
#define TIDEMARK_DEVICE_OP(op) {#op, ops::op##_cuda},
#include "executor/ops/device_ops.def"
#undef TIDEMARK_DEVICE_OP
  };
  const auto found = kernels.find(op_name);
  if (found == kernels.end())
    throw Error("cannot run on CUDA", "op '" + std::string(op_name) + "'", "it has no CUDA kernel yet",
                "use --backend cpu; docs/ops.md lists what CUDA has");
  return found->second;
}

}  // namespace tidemark
