#include "profiler/import/import.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "profiler/import/sources.h"

namespace tidemark {

ImportSummary import_recording(const std::string& path, const std::string& out, const std::string& device) {
  auto [summary, recording] = import_kineto(path, device);
  summary.steps = recording.steps();
  summary.buffers = recording.buffers();
  summary.open_at_start = recording.open_at_start();
  summary.open_at_end = recording.open_at_end();
  recording.write(out,
                  {{"model", std::filesystem::path(path).filename().string()},
                   {"source", summary.source},
                   {"device", summary.device},
                   {"open_at_start", summary.open_at_start},
                   {"open_at_end", summary.open_at_end},
                   {"unattributed_bytes", summary.unattributed_bytes}},
                  summary.resident_bytes);
  return summary;
}

}  // namespace tidemark
