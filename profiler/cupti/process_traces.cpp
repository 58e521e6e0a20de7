#include "profiler/cupti/process_traces.h"

#include <algorithm>
#include <exception>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <vector>

#include "base/error.h"
#include "profiler/import/snapshot.h"

namespace tidemark {

void write_process_traces(const CudaEventLog& log, const std::string& folder, int process,
                          const nlohmann::json& metadata,
                          const std::function<void(const std::string&)>& complain,
                          const std::function<bool()>& make_room) {
  bool merged = true;
  const auto tried = [&](const auto& action) {
    try {
      action();
      return true;
    } catch (const std::exception& e) {
      complain(e.what());
      return false;
    }
  };
  const std::string base = folder + "/" + std::to_string(process), pickle = base + ".pickle";
  std::optional<Snapshot> snapshot;
  if (std::filesystem::exists(pickle)) merged = tried([&] { snapshot.emplace(pickle); });
  const std::vector<uint32_t> seen = log.devices();
  std::set<uint32_t> devices(seen.begin(), seen.end());
  if (snapshot)
    for (const auto& [device, name] : snapshot->devices())
      if (!snapshot->events(device).empty()) devices.insert(static_cast<uint32_t>(device));
  for (const uint32_t device : devices) {
    const std::string path = base + "-" + std::to_string(device) + ".tide";
    const auto write_or_clear = [&](const CudaTraceOptions& options) {
      try {
        log.write_trace(path, device, metadata, options);
      } catch (...) {
        std::error_code ignored;
        std::filesystem::remove(path, ignored);
        throw;
      }
    };
    const auto write = [&](const CudaTraceOptions& options) {
      return tried([&] {
        try {
          write_or_clear(options);
        } catch (const Error& e) {
          if (e.code() != ExitCode::failure || !make_room || !make_room()) throw;
          write_or_clear(options);
        }
      });
    };
    if (snapshot && write({.snapshot = &*snapshot})) continue;
    merged = merged && !snapshot;
    if (std::ranges::find(seen, device) != seen.end()) write({});
  }
  if (snapshot && merged) std::filesystem::remove(pickle);
}

}  // namespace tidemark
