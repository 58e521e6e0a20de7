// How long a step takes whose copies run beside its ops.
#pragma once

#include <vector>

#include "planner/cost/device.h"
#include "planner/offload/offload.h"

namespace tidemark {

/// Between a device's memory and the host's.
struct HostLink {
  double bytes_per_second = 0;  ///< each way; 0: there is none
  bool overlaps = false;        ///< copies run beside the ops, one each way at a time
  double seconds(int64_t bytes) const {
    return kSecondsPerCopy + static_cast<double>(bytes) / bytes_per_second;
  }

  static constexpr double kSecondsPerCopy = 10e-6;
};

/// Of a GPU, what the device's description says; a CPU's memory is the host's, and its cores copy.
HostLink host_link(const DeviceSpeed& speed, DeviceKind kind);

/// Of one step: the body counts once per micro-batch. A copy starts when its window opens and the copies
/// before it in its direction are done; the ops wait where it is not done when its window closes.
double seconds_with_copies(const Graph& graph, const Schedule& schedule,
                           const std::vector<double>& step_seconds, int micro_batches, const HostLink& link);

}  // namespace tidemark
