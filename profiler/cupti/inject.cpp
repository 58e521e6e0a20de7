// libtidemark_inject.so: the CUDA driver loads it (CUDA_INJECTION64_PATH) into a program that it starts for,
// and nothing of the program changes. `tidemark profile -- COMMAND` sets the environment.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "profiler/cupti/collector.h"
#include "profiler/cupti/injection.h"
#include "profiler/cupti/process_traces.h"

namespace tidemark {
namespace {

pid_t recorded_process = 0;

/// One line, as of the command itself; the program goes on.
void complain(const std::string& why) {
  std::fprintf(stderr, "tidemark: process %d: %s\n", static_cast<int>(::getpid()), why.c_str());
}

std::string program_name() {
  std::error_code error;
  const auto path = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? "program" : path.filename().string();
}

void write_traces() {
  if (::getpid() != recorded_process) return;  // a fork of the process that is recorded
  CudaCollector& collector = CudaCollector::instance();
  collector.stop();
  write_process_traces(collector.log(), std::getenv(kInjectionFolder), recorded_process,
                       {{"model", program_name()},
                        {"process", recorded_process},
                        {"dropped_records", collector.dropped_records()}},
                       complain);
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
    complain("cannot record: " + why + "; see 'tidemark doctor'");
    return 1;
  }
  recorded_process = ::getpid();
  std::atexit(write_traces);
  return 1;
}
