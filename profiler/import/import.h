// Recordings of other profilers as `.tide` traces.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tidemark {

struct ImportSummary {
  std::string source;                ///< "Kineto trace", "PyTorch memory snapshot"
  std::string device;                ///< whose memory it is: "cuda:0"
  std::vector<std::string> devices;  ///< all whose memory the recording knows
  int64_t steps = 0, buffers = 0;
  int64_t open_at_start = 0, open_at_end = 0;  ///< of the buffers
  int64_t unattributed_bytes = 0;  ///< allocated before the recording and not freed in it: nobody says what
  int64_t resident_bytes = 0;      ///< the most that the device's allocator held
};

/// Reads a Kineto trace (JSON, gzipped or not) or a PyTorch memory snapshot (pickle), whichever `path` is,
/// and writes the trace `out`. `device`: "cpu", "cuda:0"; empty: the one that allocates most. Throws Error.
ImportSummary import_recording(const std::string& path, const std::string& out,
                               const std::string& device = {});

}  // namespace tidemark
