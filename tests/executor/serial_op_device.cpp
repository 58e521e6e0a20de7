// The device kernels on the host, lanes forwards and backwards, with an H100's shared memory and the least
// that a GPU has: the code that CUDA compiles, without a GPU.
#include <cstdlib>
#include <map>

#include "executor/device/serial_device.h"
#include "executor/ops/all_device.h"
#include "tests/executor/op_device.h"

namespace tidemark::test {
namespace {

using SerialKernel = void (*)(const KernelArgs&, device::SerialDevice&);

const std::map<std::string_view, SerialKernel>& kernels() {
  static const std::map<std::string_view, SerialKernel> all = {
#define TIDEMARK_DEVICE_OP(op) {#op, ops::op##_device<device::SerialDevice>},
#include "executor/ops/device_ops.def"
#undef TIDEMARK_DEVICE_OP
  };
  return all;
}

class SerialOpDevice : public OpDevice {
 public:
  SerialOpDevice(bool backwards, int64_t shared_bytes)
      : device_(backwards, shared_bytes), backwards_(backwards) {}
  std::string name() const override {
    return (backwards_ ? "lanes backwards, " : "lanes forwards, ") + std::to_string(shared_bytes()) +
           " bytes a block";
  }
  bool has(std::string_view op) const override { return kernels().count(op) > 0; }
  int64_t shared_bytes() const override { return device_.shared_bytes(); }
  void* allocate(size_t bytes) override { return std::malloc(bytes); }
  void release(void* memory) override { std::free(memory); }
  void run(std::string_view op, const KernelArgs& args) override { kernels().at(op)(args, device_); }

 private:
  device::SerialDevice device_;
  bool backwards_;
};

}  // namespace

const std::vector<std::unique_ptr<OpDevice>>& op_devices() {
  static const auto devices = [] {
    constexpr int64_t kOfH100 = (227 << 10) - cuda::kReductionShared;
    std::vector<std::unique_ptr<OpDevice>> all;
    for (int64_t shared_bytes : {kOfH100, int64_t{cuda::kLeastShared}})
      for (bool backwards : {false, true})
        all.push_back(std::make_unique<SerialOpDevice>(backwards, shared_bytes));
    return all;
  }();
  return devices;
}

}  // namespace tidemark::test
