// Optimal recomputation of a heterogeneous chain within a given memory.
//
// The dynamic program of Beaumont, Eyraud-Dubois, Herrmann, Joly & Shilova, "Optimal checkpointing for
// heterogeneous chains" (2019), with four additions: a stage may keep one of several sets of values
// (Zhao et al., "Rockmate", 2023), gradients that stay until the optimizer take from what is left for the
// stages before, what cannot be made again takes from what is left for the stages behind, and a stage's peaks
// include its workspaces. Optimal among sequences that keep what they once kept until its stage's backward,
// to the rounding of sizes up to `unit`.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/divided.h"

namespace tidemark {

/// A set of values that a stage's forward leaves for its backward. Bytes do not count the stage's input.
struct StageOption {
  int64_t kept = 0;             ///< the stage's output, and what it keeps besides
  int64_t forward_peak = 0;     ///< most bytes live in a forward that keeps it
  double backward_seconds = 0;  ///< what was not kept is remade within
  int64_t backward_peak = 0;    ///< with the gradients of output and input
};

/// One block. Bytes do not count the stage's input, the gradients that later stages left, nor what stands.
struct Stage {
  int64_t standing = 0;  ///< what its first forward makes and no other can; there until its backward is over
  double forward_seconds = 0;  ///< of what every forward makes
  int64_t forward_peak = 0;    ///< keeping only the output
  int64_t output = 0;
  int64_t output_gradient = 0;
  int64_t residue = 0;        ///< gradients that its backward leaves for the optimizer
  double direct_seconds = 0;  ///< backward straight from the input; of the last stage, with the forward
  int64_t direct_peak = 0;
  std::vector<StageOption> options;  ///< the last stage has none
};

struct StageAction {
  enum class Kind : uint8_t {
    forward,   ///< run the stage's forward; `option` says what stays, kNothing: its output
    backward,  ///< after a forward with this option
    direct,    ///< backward with nothing kept but the stage's input
  };
  static constexpr int kNothing = -1;
  Kind kind = Kind::forward;
  int stage = 0;
  int option = kNothing;
};

class RotorTable {
 public:
  /// For every memory of 0..slots units of `unit` bytes. O(n^2 slots (n + options)) time.
  RotorTable(const std::vector<Stage>& stages, int64_t unit, int slots);

  int slots() const { return slots_; }
  /// Seconds of the chain within `memory` units, infinite where it does not fit.
  double seconds(int memory) const;
  /// The sequence that takes seconds(memory); nothing where it does not fit.
  std::optional<std::vector<StageAction>> solve(int memory) const;

 private:
  struct Cell {
    double seconds;
    int16_t choice;  // > 0: checkpoint the output of the stage so much further; 0: direct; < 0: option
  };

  size_t index(size_t from, size_t to) const { return (from * stages_.size() + to) * stride_; }
  int64_t units(int64_t bytes) const { return divided(bytes, unit_); }
  void fill(size_t from, size_t to);
  void try_option(size_t from, size_t to, int option);
  void try_checkpoints(size_t from, size_t to);
  void append(size_t from, size_t to, int64_t memory, std::vector<StageAction>& actions) const;
  /// What is live beside what the table counts at a forward of `stage` while `to` is the next backward: what
  /// stands, the gradient of `to`, and the residue of those behind it.
  int64_t beside(size_t stage, size_t to) const;

  std::vector<Stage> stages_;
  int64_t unit_;
  int slots_;
  size_t stride_;
  std::vector<int64_t> stands_;         ///< by stage: of it and those before
  std::vector<int64_t> residue_after_;  ///< by stage: of those behind
  std::vector<Cell> cells_;
};

}  // namespace tidemark
