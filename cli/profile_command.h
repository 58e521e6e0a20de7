// `tidemark profile --out run.tide -- COMMAND`: any CUDA program, recorded through the injection library.
#pragma once

#include <string>
#include <vector>

namespace tidemark::cli {

struct CommandProfile {
  int status = 0;                      ///< of the command, as a shell would say it
  std::vector<std::string> traces;     ///< one for each process and device that used memory
  std::vector<std::string> snapshots;  ///< of PyTorch's allocators that are no part of a trace
};

struct CommandProfileOptions {
  bool kernels = true;  ///< else memory and ranges alone
  bool pytorch = true;  ///< also the history of PyTorch's allocator
};

/// Runs `command` and waits for it. One trace becomes `out`; several `out` with the process and device in
/// their names, as "run.4711-0.tide"; a snapshot "run.4711.pickle". Throws Error where the build has no
/// injection library, the command cannot be run, or nothing of it used CUDA.
CommandProfile profile_command(const std::vector<std::string>& command, const std::string& out,
                               const CommandProfileOptions& options);

}  // namespace tidemark::cli
