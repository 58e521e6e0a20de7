#include "cli/machine.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <string_view>

#include "base/cuda_library.h"
#include "base/units.h"
#include "executor/cpu/exchange.h"
#include "executor/cpu/isa.h"

namespace tidemark::cli {
namespace {

using Status = MachineCheck::Status;

constexpr int kFailed = -1;  ///< no CUDA error has this number

/// 13020 -> "13.2", as the driver and the runtime count.
std::string cuda_version(int number) {
  return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10);
}

constexpr double kOneCache = 100e-9;  ///< s; within a last-level cache a line takes half of that

MachineCheck check_processors() {
  const std::vector<double> exchange = cpu::exchange_seconds();
  const std::string name = "processors";
  if (exchange.empty()) return {name, Status::ok, "1, " + std::string(cpu::isa_name()), {}};
  const auto [least, most] = std::minmax_element(exchange.begin(), exchange.end());
  const auto ns = [](double seconds) { return std::to_string(std::lround(1e9 * seconds)); };
  const std::string range = exchange.size() == 1 ? ns(*most) : ns(*least) + " to " + ns(*most);
  const std::string found = std::to_string(exchange.size() + 1) + ", " + std::string(cpu::isa_name()) +
                            "; a line of the cache goes from one to another in " + range + " ns";
  if (*most < kOneCache) return {name, Status::ok, found, {}};
  return {name, Status::limited, found + ": not all share a cache",
          "bind a run to those that do (taskset, lstopo); on a virtual machine, where the host may move "
          "processors, compare times only of runs that found them as near to one another"};
}

struct Driver {
  CudaLibrary library{{"libcuda.so.1"}};
  int status = library.call("cuInit", kFailed, 0u);
  int version = 0, devices = 0;

  Driver() {
    library.call("cuDriverGetVersion", kFailed, &version);
    if (works()) library.call("cuDeviceGetCount", kFailed, &devices);
  }
  bool works() const { return status == 0; }

  std::string name(int index) const {
    char name[128] = "?";
    library.call("cuDeviceGetName", kFailed, name, int{sizeof name}, device(index));
    return name;
  }
  std::string describe(int index) const {
    size_t bytes = 0;
    library.call("cuDeviceTotalMem_v2", kFailed, &bytes, device(index));
    const int number = capability(index);
    return name(index) + ", " + format_bytes(static_cast<int64_t>(bytes)) + ", compute capability " +
           std::to_string(number / 10) + "." + std::to_string(number % 10);
  }
  /// 86: of 8.6.
  int capability(int index) const {
    constexpr int kMajor = 75, kMinor = 76;  // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_…
    int major = 0, minor = 0;
    library.call("cuDeviceGetAttribute", kFailed, &major, kMajor, device(index));
    library.call("cuDeviceGetAttribute", kFailed, &minor, kMinor, device(index));
    return 10 * major + minor;
  }
  bool can_access_peer(int from, int to) const {
    int can = 0;
    return library.call("cuDeviceCanAccessPeer", kFailed, &can, from, to) == 0 && can != 0;
  }

 private:
  int device(int index) const {
    int found = 0;
    library.call("cuDeviceGet", kFailed, &found, index);
    return found;
  }
};

/// CMake's list of what kernels were compiled for; empty without a CUDA backend.
#ifdef TIDEMARK_CUDA_ARCHITECTURES
constexpr std::string_view kArchitectures = TIDEMARK_CUDA_ARCHITECTURES;
#else
constexpr std::string_view kArchitectures;
#endif

/// Whether they run there: machine code of the same major number and no later minor one, or PTX of no later
/// number.
bool runs_on(int capability) {
  std::istringstream list{std::string(kArchitectures)};
  for (std::string entry; std::getline(list, entry, ',');) {
    const int of = std::atoi(entry.c_str());
    if (of > capability) continue;
    if (!entry.ends_with("-real") || of / 10 == capability / 10) return true;
  }
  return false;
}

MachineCheck check_driver(const Driver& driver) {
  const bool module = ::access("/proc/driver/nvidia/version", R_OK) == 0;
  if (!driver.library)
    return {"driver", Status::missing,
            module ? "the kernel module is loaded, libcuda.so.1 is not found"
                   : "neither the kernel module nor libcuda.so.1 is there",
            module
                ? "install the driver's user libraries; in a container, start it with --gpus all"
                : "without an NVIDIA GPU nothing is amiss: the CPU backend works; else install the driver"};
  const std::string version = "CUDA " + cuda_version(driver.version);
  if (driver.works()) return {"driver", Status::ok, version, {}};
  return {"driver", Status::missing,
          version + ", but cuInit fails with error " + std::to_string(driver.status),
          "run nvidia-smi; restart after an update of the driver; in a container, start it with --gpus all"};
}

MachineCheck check_devices(const Driver& driver) {
  if (driver.devices == 0)
    return {"devices", Status::missing, "none", driver.works() ? "check CUDA_VISIBLE_DEVICES" : "see driver"};
  std::string found;
  for (int i = 0; i < driver.devices; ++i) found += (i > 0 ? "; " : "") + driver.describe(i);
  return {"devices", Status::ok, found, {}};
}

MachineCheck check_kernels(const Driver& driver) {
  const std::string name = "CUDA kernels", made_for = "for " + std::string(kArchitectures);
  if (kArchitectures.empty())
    return {name, Status::missing, "this build has none",
            "build where CUDA's toolkit is (12.4 or later) to train on a GPU"};
  for (int i = 0; i < driver.devices; ++i) {
    const int capability = driver.capability(i);
    if (runs_on(capability)) continue;
    return {name, Status::limited, made_for + ": not for " + driver.name(i),
            capability < 80 ? "train on a GPU of compute capability 8.0 or later"
                            : "build with -DCMAKE_CUDA_ARCHITECTURES=" + std::to_string(capability)};
  }
  return {name, Status::ok, made_for, {}};
}

MachineCheck check_runtime(const Driver& driver) {
  const CudaLibrary runtime({"libcudart.so.13", "libcudart.so.12", "libcudart.so"});
  int version = 0;
  if (runtime.call("cudaRuntimeGetVersion", kFailed, &version) != 0)
    return {"CUDA runtime", Status::missing, "libcudart.so is not found",
            "install the CUDA toolkit, or set CUDA_HOME to where it is"};
  const std::string found = cuda_version(version);
  // Minor versions of one major version run on one another's drivers.
  if (driver.works() && version / 1000 > driver.version / 1000)
    return {"CUDA runtime", Status::limited, found + ", newer than the driver",
            "update the driver, or use a toolkit of CUDA " + cuda_version(driver.version)};
  return {"CUDA runtime", Status::ok, found, {}};
}

/// 130100 -> "13.1.0", as cuBLAS counts; of 22907, NCCL's, "2.29.7".
std::string library_version(size_t number) {
  return std::to_string(number / 10000) + "." + std::to_string(number % 10000 / 100) + "." +
         std::to_string(number % 100);
}

MachineCheck check_blas() {
  const CudaLibrary blas({"libcublasLt.so.13", "libcublasLt.so.12"});
  const size_t version = blas.call("cublasLtGetVersion", size_t{0});
  if (version == 0)
    return {"cuBLASLt", Status::missing, "libcublasLt.so is not found",
            "install libcublas to train on a GPU, or add its folder to LD_LIBRARY_PATH"};
  return {"cuBLASLt", Status::ok, library_version(version), {}};
}

/// What to do where CUPTI cannot record, by its error.
std::string cupti_remedy(int error) {
  constexpr int kInsufficientPrivileges = 35, kMultipleSubscribers = 39;
  if (error == kInsufficientPrivileges)
    return "load the module with NVreg_RestrictProfilingToAdminUsers=0, or run as root; in a container, "
           "start it with --cap-add SYS_ADMIN";
  if (error == kMultipleSubscribers) return "end the other profiler, or the debugger, that has the device";
  return "use a CUPTI and a driver of one CUDA version; Nsight Systems and debuggers keep others out";
}

/// Whether it can be loaded, and where there is a driver whether it records.
MachineCheck check_cupti(const Driver& driver) {
  const CudaLibrary cupti(kCuptiNames);
  uint32_t version = 0;
  if (cupti.call("cuptiGetVersion", kFailed, &version) != 0)
    return {"CUPTI", Status::missing, "libcupti.so is not found",
            "install cuda-cupti, or add its folder (extras/CUPTI/lib64) to LD_LIBRARY_PATH"};
  const std::string found = "API version " + std::to_string(version);
  if (!driver.works()) return {"CUPTI", Status::ok, found, {}};
  constexpr int kMemory2 = 49;  // CUPTI_ACTIVITY_KIND_MEMORY2
  const int error = cupti.call("cuptiActivityEnable", kFailed, kMemory2);
  if (error == 0) {
    cupti.call("cuptiActivityDisable", kFailed, kMemory2);
    return {"CUPTI", Status::ok, found + ", it records", {}};
  }
  const char* text = nullptr;
  cupti.call("cuptiGetResultString", kFailed, error, &text);
  return {"CUPTI", Status::limited,
          found + ", but it cannot record: " + (text ? text : std::to_string(error)), cupti_remedy(error)};
}

/// The driver's switch that keeps hardware counters to administrators; none where it does not say.
std::optional<bool> counters_are_restricted() {
  std::ifstream file("/proc/driver/nvidia/params");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("RmProfilingAdminOnly:")) return line.back() != '0';
  return {};
}

MachineCheck check_counters() {
  const std::string name = "hardware counters";
  const auto restricted = counters_are_restricted();
  if (!restricted) return {name, Status::missing, "the driver says nothing about them", "see driver"};
  if (!*restricted) return {name, Status::ok, "for every user", {}};
  if (::geteuid() == 0) return {name, Status::ok, "for administrators, as this user is", {}};
  return {name, Status::limited, "for administrators only",
          "traces of memory and kernels do without; else load the module with "
          "NVreg_RestrictProfilingToAdminUsers=0, or run as root"};
}

MachineCheck check_nccl() {
  const CudaLibrary nccl({"libnccl.so.2", "libnccl.so"});
  int version = 0;
  if (nccl.call("ncclGetVersion", kFailed, &version) != 0)
    return {"NCCL", Status::missing, "libnccl.so.2 is not found",
            "install libnccl2 to train on several devices; one needs none"};
  return {"NCCL", Status::ok, library_version(static_cast<size_t>(version)), {}};
}

MachineCheck check_peers(const Driver& driver) {
  const std::string name = "peer access";
  if (driver.devices < 2) return {name, Status::missing, "fewer than two devices", "nothing: it takes two"};
  std::string without;
  for (int a = 0; a < driver.devices; ++a)
    for (int b = 0; b < driver.devices; ++b)
      if (a != b && !driver.can_access_peer(a, b))
        without += (without.empty() ? "" : ", ") + std::to_string(a) + " to " + std::to_string(b);
  if (without.empty()) return {name, Status::ok, "between all devices", {}};
  return {
      name, Status::limited, "not from " + without,
      "see 'nvidia-smi topo -p2p r'; IOMMU and PCIe access control (ACS) prevent it: turn them off in the "
      "firmware. Copies go through the host until then"};
}

}  // namespace

std::string_view name_of(Status status) {
  return status == Status::ok ? "ok" : status == Status::limited ? "limited" : "missing";
}

std::vector<MachineCheck> check_machine() {
  const Driver driver;
  return {check_processors(),    check_driver(driver), check_devices(driver), check_kernels(driver),
          check_runtime(driver), check_blas(),         check_cupti(driver),   check_counters(),
          check_nccl(),          check_peers(driver)};
}

}  // namespace tidemark::cli
