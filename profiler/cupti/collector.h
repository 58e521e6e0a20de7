// Records what a CUDA program does, within it, by CUPTI's Activity API.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "profiler/cupti/cuda_events.h"

namespace tidemark {

/// One per process: CUPTI knows no other. CUPTI itself is loaded when recording starts, so a program that
/// holds this runs where there is none.
class CudaCollector {
 public:
  struct Options {
    bool kernels = true;  ///< also kernels, copies, sets and API calls; else memory and ranges alone
  };

  static CudaCollector& instance();

  /// Returns why not; empty: it records.
  std::string start(const Options& options);
  /// Takes what CUPTI still holds and ends the recording.
  void stop();

  /// Between them, what the calling thread starts belongs to `id`.
  void push_id(uint64_t id);
  void pop_id();

  /// Of the recording that ended.
  const CudaEventLog& log() const;
  int64_t dropped_records() const;  ///< that the driver had no room for

 private:
  CudaCollector() = default;
  struct State;
  State& state() const;
};

}  // namespace tidemark
