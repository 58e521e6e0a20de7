// Records what a CUDA program does, within it, by CUPTI's Activity API.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/current_op.h"

namespace tidemark {

/// One per process: CUPTI knows no other. CUPTI itself is loaded when recording starts, so a program that
/// holds this runs where there is none.
class CudaCollector {
 public:
  struct Options {
    bool kernels = true;  ///< also kernels, copies, sets and API calls; else memory and ranges alone
    std::string journal;  ///< file for all that is recorded, as it comes
    std::string records;  ///< file for some of CUPTI's records as they are; empty: for none
  };

  static CudaCollector& instance();

  /// Returns why not; empty: it records. `metadata` is for the traces. Throws where the system has no more
  /// threads or memory, or `records` cannot be written.
  std::string start(const Options& options, const nlohmann::json& metadata);
  /// Takes what CUPTI still holds and ends the recording. Returns why it is not whole; empty: it is.
  std::string stop();

  /// From here on the calling thread starts things for `op`; null: for none.
  void set_current_op(const CurrentOp* op);

 private:
  CudaCollector() = default;
  struct State;
  State& state() const;
};

}  // namespace tidemark
