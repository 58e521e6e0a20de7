// What a recorded program writes while it runs, so that the recording outlives it however it ends; read, once
// it has ended, by what started it, of the same build.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "profiler/cupti/cuda_events.h"

namespace tidemark {

/// All of it throws Error where the file cannot be written.
class JournalWriter {
 public:
  JournalWriter() = default;
  ~JournalWriter();
  JournalWriter(const JournalWriter&) = delete;
  JournalWriter& operator=(const JournalWriter&) = delete;

  /// `metadata` is for the traces. There is no file before there are events.
  void open(const std::string& path, const nlohmann::json& metadata);
  /// Appends the events of `log`, which then has none, and the names that are new in it.
  void append(CudaEventLog& log);
  /// `metadata` replaces and adds to that of the beginning.
  void finish(const nlohmann::json& metadata);

 private:
  void write(uint32_t type, const void* bytes, size_t count);

  std::string path_, begin_;
  size_t names_ = 1;  ///< that are written; the first is ""
  int descriptor_ = -1;
};

struct Journal {
  nlohmann::json metadata;
  CudaEventLog log;
  bool finished = false;  ///< else the program was ended before it could
};

/// What is cut off at the end is left out. Throws Error where not even the beginning is there.
Journal read_journal(const std::string& path);

}  // namespace tidemark
