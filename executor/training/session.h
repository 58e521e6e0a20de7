// One training run in memory: steps over a runtime, with its learning-rate schedule.
#pragma once

#include <cstdint>
#include <functional>

#include "executor/runtime/runtime.h"

namespace tidemark {

/// Linear warm-up, then a decay.
struct LearningRate {
  enum class Decay : uint8_t {
    cosine,  ///< to `final_fraction` of the peak at `total_steps` (Loshchilov & Hutter 2017), constant
             ///< after it; `total_steps` 0: constant after the warm-up
    inverse_square_root,  ///< of the number of the step (Vaswani et al. 2017), the peak at the last of the
                          ///< warm-up
  };
  Decay decay = Decay::cosine;
  double peak = 1e-3;
  int64_t warmup_steps = 0;
  int64_t total_steps = 0;
  double final_fraction = 0.1;

  double at(int64_t step) const;  ///< step counts from 0
};

struct StepResult {
  double loss = 0;       ///< mean over the micro-batches
  double grad_norm = 0;  ///< before clipping; 0 where nothing clips
  double seconds = 0;
};

class Session {
 public:
  /// Fills the runtime's inputs for micro-batch `micro_batch` of step `step`.
  using Feed = std::function<void(Runtime&, int64_t step, int micro_batch)>;
  /// After each micro-batch and after the optimizer (micro_batch == -1), while the times are fresh.
  using Watch = std::function<void(const Runtime&, int64_t step, int micro_batch)>;

  Session(Runtime& runtime, LearningRate rate, uint64_t seed);

  /// Steps done so far; the optimizer's t is one more than this.
  int64_t steps_done() const { return steps_done_; }
  void set_steps_done(int64_t steps) { steps_done_ = steps; }

  /// Throws Error (exit status 3) naming the step where the loss is not finite.
  StepResult step(const Feed& feed, const Watch& watch = {});

  /// The mean loss of as many batches of other data: forward passes in the same arena, between steps, without
  /// dropout. Labels are smoothed as in training.
  double validate(const Feed& feed, int64_t batches);

 private:
  void set_hyper();
  enum class Dropout : uint8_t { on, off };
  void set_seed(int micro_batch, Dropout dropout);

  Runtime& runtime_;
  LearningRate rate_;
  uint64_t seed_;
  int micro_batches_;
  double beta1_ = 0, beta2_ = 0;
  int64_t steps_done_ = 0;
  float* hyper_ = nullptr;
  int32_t* dropout_seed_ = nullptr;
  int32_t* rounding_seed_ = nullptr;
  const float* loss_ = nullptr;
  const float* norm_ = nullptr;
};

}  // namespace tidemark
