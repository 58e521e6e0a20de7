// Plans on an NVIDIA GPU.
//
// A range of steps runs once kernel by kernel, so that everything is loaded; then it is captured as a CUDA
// graph, and from there on launched as one.
#pragma once

#include <map>
#include <utility>

#include "base/current_op.h"
#include "executor/device/cuda_device.h"
#include "executor/ops/cuda_registry.h"
#include "executor/runtime/backend.h"
#include "executor/runtime/cuda_copies.h"
#include "executor/runtime/cuda_memory.h"

namespace tidemark {

class CudaBackend : public Backend {
 public:
  CudaBackend(const Graph& graph, const Plan& plan, const RuntimeOptions& options);
  ~CudaBackend() override;

  void run(int32_t begin, int32_t end, std::vector<TimeSpan>& times) override;
  void* host(int32_t buffer) override;
  void* offloaded(int32_t host_buffer) override { return copies_.host(host_buffer); }
  int64_t resident_bytes() const override { return arena_.measured_bytes(); }
  int threads() const override { return plan_.device.threads; }

 private:
  struct Mirror {
    PinnedMemory memory;
    bool stale = false;  ///< of a parameter or state: the host has it, and may have changed it
  };
  /// An operand of row numbers, which are checked on the host: a kernel has nobody to tell.
  struct Ids {
    int32_t buffer = kNone;
    int64_t count = 0, rows = 0;
    int32_t ignored = 0;
    const char* name = "";
  };

  bool is_input(int32_t buffer) const;
  bool is_state(int32_t buffer) const;
  void find_ids(const Graph& graph);
  void check_inputs() const;
  void upload();
  void download();
  void launch(int32_t begin, int32_t end, bool captured);
  void capture_and_launch(int32_t begin, int32_t end, cudaGraphExec_t& graph);
  void read_times(int32_t begin, int32_t end, std::vector<TimeSpan>& times) const;
  std::byte* address(int32_t buffer) const;
  size_t bytes(int32_t buffer) const;

  const Plan& plan_;
  device::CudaDevice device_;
  OpTeller teller_;  ///< behind device_, which starts CUDA
  DeviceArena arena_;
  CudaCopies copies_;
  std::vector<KernelArgs> args_;
  std::vector<CudaKernel> kernels_;
  std::vector<Ids> ids_;
  std::map<int32_t, Mirror> mirrors_;  ///< by buffer
  std::vector<cudaEvent_t> events_;    ///< before each step, and after the last
  struct Range {
    bool ran = false;
    cudaGraphExec_t graph = nullptr;
  };
  std::map<std::pair<int32_t, int32_t>, Range> ranges_;
};

}  // namespace tidemark
