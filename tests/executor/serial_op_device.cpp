// The device kernels on the host, lanes forwards and backwards: the code that CUDA compiles, without a GPU.
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
  explicit SerialOpDevice(bool backwards) : device_(backwards), backwards_(backwards) {}
  std::string name() const override { return backwards_ ? "lanes backwards" : "lanes forwards"; }
  bool has(std::string_view op) const override { return kernels().count(op) > 0; }
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
    std::vector<std::unique_ptr<OpDevice>> all;
    all.push_back(std::make_unique<SerialOpDevice>(false));
    all.push_back(std::make_unique<SerialOpDevice>(true));
    return all;
  }();
  return devices;
}

}  // namespace tidemark::test
