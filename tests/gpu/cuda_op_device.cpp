// The CUDA kernels, on operands in managed memory.
#include "base/error.h"
#include "executor/device/cuda_device.h"
#include "executor/ops/cuda_registry.h"
#include "tests/executor/op_device.h"

namespace tidemark::test {
namespace {

class CudaOpDevice : public OpDevice {
 public:
  std::string name() const override { return "CUDA"; }
  bool has(std::string_view op) const override {
    try {
      find_cuda_kernel(op);
      return true;
    } catch (const Error&) {
      return false;
    }
  }
  void* allocate(size_t bytes) override {
    void* memory = nullptr;
    device::check_cuda(cudaMallocManaged(&memory, bytes, cudaMemAttachGlobal), "allocate an operand");
    return memory;
  }
  void release(void* memory) override { cudaFree(memory); }
  void run(std::string_view op, const KernelArgs& args) override {
    find_cuda_kernel(op)(args, device_);
    device::check_cuda(cudaStreamSynchronize(device_.stream()), "run the op");
  }

 private:
  device::CudaDevice device_;
};

}  // namespace

const std::vector<std::unique_ptr<OpDevice>>& op_devices() {
  static const auto devices = [] {
    std::vector<std::unique_ptr<OpDevice>> all;
    all.push_back(std::make_unique<CudaOpDevice>());
    return all;
  }();
  return devices;
}

}  // namespace tidemark::test
