// The traces of one process, with what PyTorch's allocator did in it.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "profiler/cupti/cuda_events.h"

namespace tidemark {

/// Writes FOLDER/PROCESS-DEVICE.tide for each device that was used. A snapshot FOLDER/PROCESS.pickle becomes
/// a part of them and goes; where it cannot, `complain` is told, it stays, and the traces are of CUPTI's
/// events alone. Where a trace cannot be written, `make_room` may free some of the disk for another try; it
/// returns whether it did. What is not whole does not stay.
void write_process_traces(const CudaEventLog& log, const std::string& folder, int process,
                          const nlohmann::json& metadata,
                          const std::function<void(const std::string&)>& complain,
                          const std::function<bool()>& make_room = {});

}  // namespace tidemark
