// libtidemark_inject.so: the CUDA driver loads it (CUDA_INJECTION64_PATH) into a program that it starts for,
// and nothing of the program changes. `tidemark profile -- COMMAND` sets the environment.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "profiler/cupti/collector.h"
#include "profiler/cupti/injection.h"

namespace tidemark {
namespace {

pid_t recorded_process = 0;

/// One line, as of the command itself; the program goes on.
void complain(const std::string& why) {
  std::fprintf(stderr, "tidemark: cannot record: process %d: %s; see 'tidemark doctor'\n",
               static_cast<int>(::getpid()), why.c_str());
}

std::string program_name() {
  std::error_code error;
  const auto path = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? "program" : path.filename().string();
}

/// DIR/PID-DEVICE.tide for each device that was used.
void write_traces() {
  if (::getpid() != recorded_process) return;  // a fork of the process that is recorded
  CudaCollector& collector = CudaCollector::instance();
  collector.stop();
  try {
    for (const uint32_t device : collector.log().devices())
      collector.log().write_trace(std::string(std::getenv(kInjectionFolder)) + "/" +
                                      std::to_string(recorded_process) + "-" + std::to_string(device) +
                                      ".tide",
                                  device,
                                  {{"model", program_name()},
                                   {"process", recorded_process},
                                   {"dropped_records", collector.dropped_records()}});
  } catch (const std::exception& e) {
    complain(e.what());
  }
}

}  // namespace
}  // namespace tidemark

/// What the driver calls when the program first uses CUDA. 1: all is well, which a program that cannot be
/// recorded is, too.
extern "C" __attribute__((visibility("default"))) int InitializeInjection() {
  using namespace tidemark;
  if (recorded_process == ::getpid() || std::getenv(kInjectionFolder) == nullptr) return 1;
  const char* kernels = std::getenv(kInjectionKernels);
  if (const std::string why =
          CudaCollector::instance().start({.kernels = !kernels || std::string(kernels) != "0"});
      !why.empty()) {
    complain(why);
    return 1;
  }
  recorded_process = ::getpid();
  std::atexit(write_traces);
  return 1;
}
