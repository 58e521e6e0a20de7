// From what a recorder saw (ops began, memory was allocated and freed) to a `.tide` trace, in which buffers
// live through steps of a program.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "profiler/import/held_ranges.h"
#include "profiler/trace.h"

namespace tidemark {

/// One device's memory in the order in which it changed. A step of the program is a stretch of an op in
/// which nothing is allocated after something was freed; an op that does so becomes several steps. So the
/// bytes that live at a step are exactly the most that were allocated at a time during it.
class MemoryRecording {
 public:
  struct Op {
    std::string name;    ///< steps are named "<name> #<step>"
    std::string module;  ///< dotted path
    Phase phase = Phase::forward;
  };

  /// Whose memory it is, where the recorder knows.
  struct Owner {
    std::string name, module;
    Category category = Category::runtime;
  };

  /// Steps begin in order; a time before the one before is taken for the same.
  void begin_step(const Op& op, TimeSpan time);
  bool empty() const { return program_.empty(); }  ///< no step yet
  /// When the step that began last ends.
  int64_t end_ns() const { return times_.empty() ? 0 : times_.back().end_ns; }

  /// In the step that began last; there must be one. Without an `owner` it is the step, and the category
  /// follows from when the memory lived, as docs/formats.md says. An address that is still in use counts as
  /// freed before.
  void allocate(uint64_t address, int64_t bytes, int64_t time_ns, const std::optional<Owner>& owner = {});
  /// Memory that no allocate() named is taken to have been there at the start.
  void release(uint64_t address, int64_t bytes);
  /// It is in use at the end: where no allocate() said so, it was from the start.
  void in_use_at_end(uint64_t address, int64_t bytes);

  /// Memory of the device that is no allocation, from the start to the end.
  void add_runtime(int64_t bytes, const std::string& name);

  /// An allocator took a stretch of addresses from the driver, in the step that began last, or gave it back.
  /// What of it lies in no buffer becomes buffers, too: "allocator cache".
  void hold(uint64_t address, int64_t bytes, int64_t time_ns);
  void give_back(uint64_t address, int64_t bytes);
  /// It is held at the end: where nothing said so, it was from the start.
  void held_at_end(uint64_t address, int64_t bytes) { held_.held_at_end(address, bytes); }

  int64_t open_at_start() const { return open_at_start_; }  ///< buffers
  int64_t open_at_end() const { return static_cast<int64_t>(live_.size()); }
  int64_t buffers() const { return static_cast<int64_t>(buffers_.size()); }
  int64_t steps() const { return static_cast<int64_t>(program_.size()); }

  /// Writes it as one training step. `resident_bytes`: the most that the device's allocator held; 0:
  /// unknown. Throws Error if the file cannot be written.
  void write(const std::string& path, const nlohmann::json& metadata, int64_t resident_bytes);

 private:
  void split(int64_t time_ns);
  void add(uint64_t address, TraceBuffer buffer, bool category_known);
  void add_existing(uint64_t address, int64_t bytes, const std::string& name, Category category);
  void add_persistent(uint64_t address, int64_t bytes, const Owner& owner);
  void add_unused();
  void place();

  std::vector<ProgramStep> program_;
  std::vector<TimeSpan> times_;
  std::vector<TraceBuffer> buffers_;
  std::vector<uint64_t> addresses_;  ///< of buffers_
  std::vector<bool> category_known_;
  std::unordered_map<uint64_t, size_t> live_;  ///< address to buffer
  HeldRanges held_;                            ///< in steps
  Op op_;
  bool released_in_step_ = false;
  int64_t open_at_start_ = 0;
};

}  // namespace tidemark
