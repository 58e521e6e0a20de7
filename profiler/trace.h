// What a `.tide` trace says: which buffers and ops a run has, when each op ran, and so when each buffer
// lived. docs/formats.md describes the file; decisions/0004 says why it is what it is.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/category.h"
#include "base/clock.h"
#include "base/name.h"

namespace tidemark {

/// A value, or an op's workspace, in its place in the arena, and the steps of the program (not of the
/// training) it lives through. Of values that are updated in place the next one begins where one ends.
struct TraceBuffer {
  Name name;    ///< of the value; of a workspace "<op> (workspace)"
  Name type;    ///< "f32[1024, 256]"; empty for a workspace
  Name op;      ///< that made it; empty for what lives all the time
  Name module;  ///< dotted path
  Category category = Category::activation;
  int64_t bytes = 0;                      ///< what it occupies, alignment included
  int64_t offset = 0;                     ///< in the arena
  int32_t first_step = 0, last_step = 0;  ///< program steps, inclusive
  bool persistent = false;
  bool operator==(const TraceBuffer&) const = default;
};

inline bool lives_at(const TraceBuffer& b, int32_t step) {
  return b.first_step <= step && step <= b.last_step;
}

/// One op of the program, in execution order. The program is what a plan fixes: it is the same in every
/// training step.
struct ProgramStep {
  Name op;      ///< unique name
  Name kind;    ///< entry in the op registry
  Name module;  ///< dotted path
  Phase phase = Phase::forward;
  bool recompute = false;
  bool operator==(const ProgramStep&) const = default;
};

/// One execution of the consecutive program steps [first, first + count).
struct Run {
  int64_t training_step = 0;
  int32_t micro_batch = 0;  ///< -1: the optimizer or what prepares the step
  int32_t first = 0, count = 0;
  int64_t start_ns = 0;
  std::span<const std::byte> encoded;  ///< in the mapped file
};

struct TrainingStep {
  int64_t number = 0;  ///< from 0
  int64_t start_ns = 0, end_ns = 0;
  double loss = 0, grad_norm = 0;
  int64_t arena_resident_bytes = 0;    ///< physical pages of the arena, as the kernel counts them
  int64_t process_resident_bytes = 0;  ///< of the whole process
};

/// A trace mapped from its file, of this version or an older one. Damage (a cut tail, a flipped bit, a writer
/// that was killed) ends it early: what comes before is kept and damage() says what was lost.
class Trace {
 public:
  /// Throws Error if the file cannot be opened, is not a trace, or ends before its tables.
  explicit Trace(const std::string& path);
  ~Trace();
  Trace(Trace&&) noexcept;

  const std::string& path() const;
  const nlohmann::json& metadata() const;
  const std::vector<TraceBuffer>& buffers() const;
  const std::vector<ProgramStep>& program() const;
  const std::vector<Run>& runs() const;
  const std::vector<TrainingStep>& steps() const;
  const std::string& damage() const;  ///< empty: none

  /// Times of a run's program steps. Throws Error if the record is not what its header says.
  std::vector<TimeSpan> times(const Run& run) const;

  /// When each program step ran in one training step, the last micro-batch's times for the body.
  /// `training_step` must be one that steps() lists.
  std::vector<TimeSpan> program_times(int64_t training_step) const;

  /// Reads what the writer has appended since; returns whether there was anything. Throws Error, and keeps
  /// what it has, where the file is gone, was cut, or is another trace by now.
  bool refresh();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Median seconds of each op over the training steps, the first (cold) one left out where there are more: for
/// each step of the program that of its op. Negative: it never ran.
std::vector<double> program_step_seconds(const Trace& trace);
/// The same by the op's name, for those that ran.
std::unordered_map<std::string, double> median_op_seconds(const Trace& trace);

}  // namespace tidemark
