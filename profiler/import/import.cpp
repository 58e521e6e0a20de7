#include "profiler/import/import.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/gzip.h"
#include "profiler/import/sources.h"
#include "profiler/trace_format.h"

namespace tidemark {
namespace {

constexpr const char* kWhat = "cannot import the recording";

/// By how it begins: a pickle of protocol 2 or later, or else JSON.
bool is_pickle(const std::string& path) {
  char first[sizeof tide::kMagic] = {};
  const size_t size = GzipReader(path, kWhat).read(std::as_writable_bytes(std::span(first)));
  const std::string_view begin(first, size);
  if (begin.starts_with('\x80')) return true;
  if (begin == std::string_view(tide::kMagic, sizeof tide::kMagic))
    throw Error(kWhat, path, "it is a trace already", "'tidemark report' and 'tidemark view' show it");
  if (begin.find_first_of("{[ \t\r\n") != 0)
    throw Error(kWhat, path, begin.empty() ? "it is empty" : "it is neither JSON nor a pickle",
                "give a Kineto trace or a memory snapshot of PyTorch's");
  return false;
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
