// What fills the memory at the peak of a training step.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "profiler/trace.h"

namespace tidemark {

struct NamedBytes {
  std::string name;
  int64_t bytes = 0;
};

struct OpKindTime {
  std::string kind;
  int64_t calls = 0;             ///< per training step
  double seconds = 0;            ///< per training step, the sum of the ops' medians
  double recompute_seconds = 0;  ///< of these, in ops that ran again
};

/// Of a recording whose program named its ops.
struct NamedOpTime {
  std::string op;
  int64_t calls = 0;  ///< kernels, copies and sets
  double seconds = 0;
};

struct Attribution {
  int64_t training_step = 0;
  int32_t peak_step = 0;  ///< program step
  double peak_ms = 0;     ///< after the step's first op began
  int64_t peak_bytes = 0;
  std::array<int64_t, kCategoryCount> categories{};  ///< at the peak
  std::vector<NamedBytes> modules;                   ///< at the peak, largest first
  std::vector<TraceBuffer> largest;                  ///< live at the peak, largest first
  std::vector<OpKindTime> op_kinds;                  ///< slowest first
  std::vector<NamedOpTime> named_ops;                ///< slowest first
  double step_seconds = 0;           ///< median, the first (cold) one left out if there are more
  int64_t arena_bytes = 0;           ///< end of the highest buffer
  int64_t arena_resident_bytes = 0;  ///< as the kernel counted, 0 if it was not recorded
  double coverage = 0;  ///< share of the resident arena that buffers of this trace own at some time
  /// Of a recording that asked the driver: the most that it said was in use on the device, how many bytes
  /// buffers have then, and when. Then coverage is what both agree on.
  int64_t device_used_bytes = 0, device_explained_bytes = 0;
  double device_used_ms = 0;
};

/// Of the last training step. Modules are cut to `module_depth` dotted parts, numbers kept
/// ("model.layers.3"). `values`: how many of the largest.
Attribution attribute(const Trace& trace, int module_depth = 3, size_t values = 10);

}  // namespace tidemark
