// Where a plan's steps run: the memory that they run in, and the kernels and the means to run them.
//
// The runtime decides what runs when; a backend owns the one arena and knows how. The CPU's arena is the
// host's memory. CUDA's is not, and host() is where the two meet.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "executor/kernel.h"
#include "executor/runtime/guard.h"
#include "planner/plan.h"

namespace tidemark {

struct RuntimeOptions {
  int threads = 0;  ///< 0: the plan's; more than the plan's is refused, its workspaces are sized for that
  GuardMode guard = GuardMode::off;
  /// On a CPU, copies run when their windows close, not when they open: tests see that both give the same.
  bool late_copies = false;
};

class Backend {
 public:
  virtual ~Backend() = default;

  /// Runs the plan's steps [begin, end) and returns when they are done; fills their `times`.
  virtual void run(int32_t begin, int32_t end, std::vector<TimeSpan>& times) = 0;

  /// What the host reads and writes, between runs, of a buffer that outlives the step. An input's address and
  /// an output's stay good; that of a parameter or a state, until the next run.
  virtual void* host(int32_t buffer) = 0;
  /// The bytes of a host buffer that is persistent (HostBuffer), between runs.
  virtual void* offloaded(int32_t host_buffer) = 0;

  /// Bytes of memory that the arena really takes, without the host's memory for what is offloaded.
  virtual int64_t resident_bytes() const = 0;
  virtual int threads() const = 0;
};

/// The backend of the plan's device. `graph` and `plan` must outlive it. Throws Error, exit status 3, where
/// this machine or this build has none.
std::unique_ptr<Backend> make_backend(const Graph& graph, const Plan& plan, const RuntimeOptions& options);

/// Why plans for CUDA cannot run here; empty: they can.
std::string why_no_cuda();

/// What the kernel of each of the plan's steps is given, in an arena that begins at `base`.
std::vector<KernelArgs> bind_steps(const Graph& graph, const Plan& plan, std::byte* base);

}  // namespace tidemark
