// Programs with random lives in an arena without overlaps, and clocks of random times for them.
#pragma once

#include <memory>
#include <random>

#include "gui/models/scene.h"

namespace tidemark::gui::test {

struct RandomShape {
  unsigned seed = 1;
  int32_t steps = 40;
  int lanes = 12;  ///< of the arena, one buffer after the other in each
  int64_t lane_bytes = 1000;
  int micro_batches = 1;  ///< of steps [steps / 4, 3 * steps / 4)
};

inline Program random_program(const RandomShape& shape) {
  std::mt19937 random(shape.seed);
  const auto draw = [&](int64_t below) {
    return static_cast<int64_t>(random() % static_cast<uint64_t>(below));
  };
  std::vector<ProgramStep> steps;
  std::vector<TraceBuffer> buffers;
  for (int32_t s = 0; s < shape.steps; ++s) {
    const Phase phase = s < shape.steps / 4       ? Phase::prepare
                        : s < shape.steps / 2     ? Phase::forward
                        : s < 3 * shape.steps / 4 ? Phase::backward
                                                  : Phase::optimizer;
    steps.push_back({"op." + std::to_string(s), "linear", "module." + std::to_string(s % 5), phase,
                     phase == Phase::backward && s % 3 == 0});
  }
  for (int lane = 0; lane < shape.lanes; ++lane) {
    for (int64_t first = draw(4); first < shape.steps;) {
      const int64_t last = std::min<int64_t>(shape.steps - 1, first + draw(shape.steps / 3));
      TraceBuffer b;
      b.name = "value " + std::to_string(buffers.size());
      b.op = steps[static_cast<size_t>(first)].op;
      b.module = steps[static_cast<size_t>(first)].module;
      b.category = static_cast<Category>(draw(kCategoryCount));
      b.bytes = 1 + draw(shape.lane_bytes);
      b.offset = lane * shape.lane_bytes + draw(shape.lane_bytes - b.bytes + 1);
      b.first_step = static_cast<int32_t>(first);
      b.last_step = static_cast<int32_t>(last);
      buffers.push_back(b);
      first = last + 1 + draw(5);
    }
  }
  Program program = program_of(std::move(steps), std::move(buffers));
  program.arena_bytes = shape.lanes * shape.lane_bytes;
  return program;
}

/// Steps of the body once per micro-batch; some ops take no time at all.
inline StepClock random_clock(const RandomShape& shape) {
  std::mt19937 random(shape.seed + 1000);
  std::vector<Segment> segments;
  double now = 0;
  const auto run = [&](int32_t from, int32_t to, int32_t micro_batch) {
    for (int32_t s = from; s < to; ++s) {
      const double seconds = static_cast<double>(random() % 5) / 16;
      segments.push_back(
          {.step = s, .micro_batch = micro_batch, .begin = now, .time = now, .seconds = seconds});
      now += seconds;
    }
  };
  run(0, shape.steps / 4, -1);
  for (int m = 0; m < shape.micro_batches; ++m) run(shape.steps / 4, 3 * shape.steps / 4, m);
  run(3 * shape.steps / 4, shape.steps, -1);
  return {std::move(segments), now, AxisUnit::seconds};
}

inline Scene random_scene(const RandomShape& shape) {
  Scene scene;
  scene.main = {std::make_shared<Program>(random_program(shape)), random_clock(shape)};
  scene.arena_bytes = scene.main.program->arena_bytes;
  scene.micro_batches = shape.micro_batches;
  return scene;
}

}  // namespace tidemark::gui::test
