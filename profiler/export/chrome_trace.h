// A `.tide` trace as Chrome trace events: what Perfetto (ui.perfetto.dev) and chrome://tracing open.
#pragma once

#include <cstdint>
#include <string>

#include "profiler/trace.h"

namespace tidemark {

struct ExportedEvents {
  int64_t ops = 0;       ///< slices, one per execution of an op
  int64_t lives = 0;     ///< asynchronous slices, one per life of a buffer
  int64_t counters = 0;  ///< samples of the bytes by category
};

/// Writes `path`, gzipped if it ends in ".gz", a piece at a time: memory does not grow with the number of
/// training steps. docs/formats.md says what the events are. Throws Error if the trace has no run, its
/// times are damaged, or the file cannot be written.
ExportedEvents export_chrome_trace(const Trace& trace, const std::string& path);

}  // namespace tidemark
