// Plans on this machine's processors.
#pragma once

#include "executor/cpu/thread_pool.h"
#include "executor/runtime/arena.h"
#include "executor/runtime/backend.h"

namespace tidemark {

/// Nothing is allocated once the constructor has returned.
class CpuBackend : public Backend {
 public:
  CpuBackend(const Graph& graph, const Plan& plan, const RuntimeOptions& options);

  void run(int32_t begin, int32_t end, std::vector<TimeSpan>& times) override;
  void* host(int32_t buffer) override;
  void* offloaded(int32_t host_buffer) override;
  int64_t resident_bytes() const override { return arena_.resident_bytes(); }
  int threads() const override { return pool_.threads(); }

 private:
  void copy(const std::vector<int32_t>& transfers);

  const Plan& plan_;
  Arena arena_, host_;
  Guard guard_;
  ThreadPool pool_;
  std::vector<KernelArgs> args_;
  std::vector<Kernel> kernels_;
  std::vector<bool> ran_;  ///< by step
  std::vector<TransferPoint> points_;
  bool late_copies_;
};

}  // namespace tidemark
