// Appends to a `.tide` trace.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "profiler/trace.h"

namespace tidemark {

/// A table whose rows are made when they are written.
template <typename Row>
struct TraceRows {
  size_t count = 0;
  std::function<Row(size_t)> at;
};

/// Each call appends one checksummed frame with one write(2): what a call returned from survives the
/// death of the process, and a reader may follow along. Neither run() nor step() allocates.
class TraceWriter {
 public:
  /// Replaces `path`. Throws Error if it cannot be written.
  TraceWriter(const std::string& path, const nlohmann::json& metadata,
              const std::vector<TraceBuffer>& buffers, const std::vector<ProgramStep>& program);
  TraceWriter(const std::string& path, const nlohmann::json& metadata, const TraceRows<TraceBuffer>& buffers,
              const TraceRows<ProgramStep>& program);
  ~TraceWriter();
  TraceWriter(const TraceWriter&) = delete;
  TraceWriter& operator=(const TraceWriter&) = delete;

  /// Times of program steps [first, first + times.size()).
  void run(int64_t training_step, int32_t micro_batch, int32_t first, std::span<const TimeSpan> times);
  void step(const TrainingStep& step);

 private:
  void put(const void* data, size_t bytes);
  size_t begin_frame();
  void end_frame(size_t header, uint32_t type);
  void write_out();

  std::string path_;
  int descriptor_ = -1;
  std::vector<std::byte> frame_;  ///< reserved for the largest frame
};

}  // namespace tidemark
