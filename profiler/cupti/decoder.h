// CUPTI's activity records as events.
#pragma once

#include <cupti.h>

#include <string_view>

#include "profiler/cupti/cuda_events.h"

namespace tidemark {

/// The first version of CUPTI (of CUDA 12.8) whose records of memory end with the library that asked for it.
inline constexpr uint32_t kCuptiWithSources = 26;

/// The kind of external correlations that are ours: PyTorch's profiler has CUSTOM0 and CUSTOM1.
inline constexpr CUpti_ExternalCorrelationKind kOpCorrelation = CUPTI_EXTERNAL_CORRELATION_KIND_CUSTOM2;

/// Adds what `record` says to `log`; false if it is of a kind that no trace shows. `version`: of the CUPTI
/// that wrote it. Records of newer versions begin like those read here: the fields of a kind never move.
bool decode(const CUpti_Activity& record, CudaEventLog& log, uint32_t version);

/// Whether a call of the CUDA API, by its name, starts work or asks for memory: of programs with millions of
/// kernels most calls do neither (cudaGetDevice, cudaStreamIsCapturing), and nobody asks for those.
bool starts_something(std::string_view call);

}  // namespace tidemark
