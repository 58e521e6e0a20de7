// How far a run is, on standard error.
#pragma once

#include <cstdint>

namespace tidemark::cli {

/// On a terminal one line that is written over; elsewhere a line at the first and the last step, and
/// between them one every few seconds.
class Progress {
 public:
  /// `unit`: what a step is made of, "tokens" or "pixels".
  Progress(int64_t total_steps, const char* unit);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// After `done` of the total steps.
  void show(int64_t done, double loss, double units_per_second, double seconds_per_step);
  /// A line that stays.
  void note(const char* text);

 private:
  int64_t total_;
  const char* unit_;
  bool terminal_;
  int64_t shown_ns_ = 0;  ///< when something was last shown; 0: never
};

}  // namespace tidemark::cli
