// CUPTI's activity records as events.
#pragma once

#include <cupti.h>

#include "profiler/cupti/cuda_events.h"

namespace tidemark {

/// Adds what `record` says to `log`; false if it is of a kind that no trace shows. Records of newer versions
/// of CUPTI begin like those read here: the fields of a kind never move.
bool decode(const CUpti_Activity& record, CudaEventLog& log);

}  // namespace tidemark
