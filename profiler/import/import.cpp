#include "profiler/import/import.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/gzip.h"
#include "profiler/import/sources.h"

namespace tidemark {
namespace {

bool is_pickle(const std::string& path) {
  constexpr std::byte kProto{0x80};  // how pickles of protocol 2 and later begin, and no JSON does
  std::byte first{};
  return GzipReader(path, "cannot import the recording").read({&first, 1}) == 1 && first == kProto;
}

}  // namespace

ImportSummary import_recording(const std::string& path, const std::string& out, const std::string& device) {
  auto [summary, recording] = is_pickle(path) ? import_snapshot(path, device) : import_kineto(path, device);
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
