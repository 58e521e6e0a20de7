// What can be imported.
#pragma once

#include "profiler/import/import.h"
#include "profiler/import/memory_recording.h"

namespace tidemark {

struct Imported {
  ImportSummary summary;
  MemoryRecording recording;
};

/// Arguments as of import_recording. Throw Error.
Imported import_kineto(const std::string& path, const std::string& device);
Imported import_snapshot(const std::string& path, const std::string& device);

}  // namespace tidemark
