// libtidemark_inject.so: the CUDA driver loads it (CUDA_INJECTION64_PATH) into a program that it starts for,
// and nothing of the program changes. `tidemark profile -- COMMAND` sets the environment.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "profiler/cupti/collector.h"
#include "profiler/cupti/injection.h"

namespace tidemark {
namespace {

pid_t recorded_process = 0;

/// One line, as of the command itself; the program goes on.
void complain(const std::string& why) {
  std::fprintf(stderr, "tidemark: process %d: %s\n", static_cast<int>(::getpid()), why.c_str());
}

/// "python3.12 train.py", "python3.12 -m package.train", "a.out": what tells programs of one interpreter
/// apart.
std::string program_name() {
  std::error_code error;
  const auto path = std::filesystem::read_symlink("/proc/self/exe", error);
  std::string name = error ? "program" : path.filename().string();
  std::ifstream file("/proc/self/cmdline");
  std::string own, first, second;
  std::getline(file, own, '\0');
  std::getline(file, first, '\0');
  std::getline(file, second, '\0');
  if (first == "-m" && !second.empty()) return name + " -m " + second;
  if (const std::filesystem::path script = first; script.has_extension() && !first.starts_with('-'))
    name += " " + script.filename().string();
  return name;
}

/// What a launcher (torchrun, mpirun, srun) told the process of its place among others.
void add_rank(nlohmann::json& metadata) {
  constexpr const char* kPlaces[][2] = {{"RANK", "WORLD_SIZE"},
                                        {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
                                        {"PMI_RANK", "PMI_SIZE"},
                                        {"SLURM_PROCID", "SLURM_NTASKS"}};
  for (const auto& [rank, ranks] : kPlaces) {
    const char* own = std::getenv(rank);
    const char* all = std::getenv(ranks);
    if (!own || !all) continue;
    metadata["rank"] = std::atoi(own);
    metadata["ranks"] = std::atoi(all);
    return;
  }
}

void finish() {
  if (::getpid() != recorded_process) return;  // a fork of the process that is recorded
  if (const std::string why = CudaCollector::instance().stop(); !why.empty()) complain(why);
}

}  // namespace
}  // namespace tidemark

/// What the program's executor calls (base/current_op.h). Whether it can be recorded or not, the program goes
/// on.
extern "C" __attribute__((visibility("default"))) void tidemark_set_current_op(
    const tidemark::CurrentOp* op) {
  try {
    tidemark::CudaCollector::instance().set_current_op(op);
  } catch (const std::exception& e) {
    tidemark::complain(std::string("cannot keep an op's name: ") + e.what());
  }
}

/// What the driver calls when the program first uses CUDA. 1: all is well, which a program that cannot be
/// recorded is, too.
extern "C" __attribute__((visibility("default"))) int InitializeInjection() {
  using namespace tidemark;
  const char* folder = std::getenv(kInjectionFolder);
  if (recorded_process == ::getpid() || folder == nullptr) return 1;
  const char* kernels = std::getenv(kInjectionKernels);
  nlohmann::json metadata = {{"model", program_name()}, {"process", ::getpid()}};
  add_rank(metadata);
  const std::string base = std::string(folder) + "/" + std::to_string(::getpid());
  const CudaCollector::Options options = {
      .kernels = !kernels || std::string(kernels) != "0",
      .journal = base + kJournalExtension,
      .records = std::getenv(kInjectionRecords) ? base + kRecordsExtension : ""};
  std::string why;
  try {
    why = CudaCollector::instance().start(options, metadata);
  } catch (const std::exception& e) {  // which must not come to the driver
    why = e.what();
  }
  if (!why.empty()) {
    complain("cannot record: " + why + "; see 'tidemark doctor'");
    return 1;
  }
  recorded_process = ::getpid();
  std::atexit(finish);
  return 1;
}
