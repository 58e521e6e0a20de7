// From what a recorder saw (ops began, memory was allocated and freed) to a `.tide` trace, in which buffers
// live through steps of a program.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/numbering.h"
#include "profiler/import/held_ranges.h"
#include "profiler/trace.h"

namespace tidemark {

/// One device's memory in the order in which it changed. A step of the program is a stretch of an op in
/// which nothing is allocated after something was freed; an op that does so becomes several steps. So the
/// bytes that live at a step are exactly the most that were allocated at a time during it.
class MemoryRecording {
 public:
  struct Op {
    Name name;    ///< steps are named "<name> #<step>"
    Name module;  ///< dotted path
    Phase phase = Phase::forward;
    bool of_library = false;  ///< code that has no parameters of its own: what it makes and keeps is scratch
    bool operator==(const Op&) const = default;
  };

  /// Whose memory it is, where the recorder knows.
  struct Owner {
    Name name, module;
    Category category = Category::runtime;
    bool operator==(const Owner&) const = default;
  };

  /// Steps begin in order; a time before the one before is taken for the same.
  void begin_step(const Op& op, TimeSpan time);
  bool empty() const { return steps_.empty(); }  ///< no step yet
  /// The step that began last ends; it may have been open (INT64_MAX).
  void end_step(int64_t time_ns) { times_.back().end_ns = std::max(times_.back().start_ns, time_ns); }
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
  int64_t steps() const { return static_cast<int64_t>(steps_.size()); }

  /// Writes it as one training step. `resident_bytes`: the most that the device's allocator held; 0:
  /// unknown. Throws Error if the file cannot be written.
  void write(const std::string& path, const nlohmann::json& metadata, int64_t resident_bytes);

 private:
  static constexpr uint32_t kStep = UINT32_MAX;
  /// Recordings have millions.
  struct Buffer {
    uint64_t place = 0;  ///< address; from place() on the offset
    int64_t bytes = 0;
    int32_t first_step = 0, last_step = 0;
    uint32_t owner = kStep;  ///< in owners_; kStep: the first step is
    bool has_maker = false;  ///< the first step
    bool persistent = false;
  };
  struct Phases;
  struct Hash {
    size_t operator()(const Op& op) const;
    size_t operator()(const Owner& owner) const;
  };

  int32_t last_step() const { return static_cast<int32_t>(steps_.size()) - 1; }
  const Op& op(int32_t step) const { return ops_[steps_[static_cast<size_t>(step)]]; }
  Name step_name(int32_t step) const { return Name::numbered(op(step).name, step); }
  void split(int64_t time_ns);
  void add_existing(uint64_t address, int64_t bytes, const Name& name, Category category);
  void add_persistent(uint64_t address, int64_t bytes, const Owner& owner);
  void add_unused();
  void place();
  Category infer_category(const Buffer& buffer, const Phases& phases) const;
  ProgramStep program_step(int32_t step) const;
  TraceBuffer trace_buffer(const Buffer& buffer, const Phases& phases) const;

  Numbering<Op, Hash> ops_;
  std::vector<uint32_t> steps_;  ///< in ops_
  std::vector<TimeSpan> times_;  ///< of steps_
  Numbering<Owner, Hash> owners_;
  std::vector<Buffer> buffers_;
  std::unordered_map<uint64_t, size_t> live_;  ///< address to buffer
  HeldRanges held_;                            ///< in steps
  bool released_in_step_ = false;
  int64_t open_at_start_ = 0;
};

}  // namespace tidemark
