// A small run whose every number is known: a parameter, an activation and a workspace over three ops.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "profiler/trace_writer.h"

namespace tidemark {

struct Sample {
  nlohmann::json metadata = {{"model", "sample"}, {"threads", 2}};
  std::vector<TraceBuffer> buffers = {
      {"net.w", "f32[1024]", "", "net", Category::parameter, 4096, 0, 0, 2, true},
      {"net.y", "f32[512]", "net.forward", "net", Category::activation, 2048, 4096, 0, 1, false},
      {"net.forward (workspace)", "", "net.forward", "net", Category::workspace, 1024, 6144, 0, 0, false},
      {"net.dw", "f32[1024]", "net.backward", "net.grad", Category::gradient, 4096, 6144, 1, 2, false},
  };
  std::vector<ProgramStep> program = {
      {"net.forward", "linear", "net", Phase::forward, false},
      {"net.backward", "linear_grad_weight", "net", Phase::backward, false},
      {"net.w.adamw", "adamw", "optimizer", Phase::optimizer, false},
  };

  /// Op i of micro-batch m in training step t begins at 1000 (100 t + 10 m + i) and takes 100 (i + 1) ns.
  static TimeSpan time(int64_t training_step, int32_t micro_batch, int32_t op) {
    const int64_t start = 1000 * (100 * training_step + 10 * micro_batch + op);
    return {start, start + 100 * (op + 1)};
  }
  static TrainingStep step(int64_t number) {
    return {.number = number,
            .start_ns = time(number, 0, 0).start_ns,
            .end_ns = time(number, 5, 2).end_ns,
            .loss = 5.0 - 0.1 * static_cast<double>(number),
            .grad_norm = 0.5,
            .arena_resident_bytes = 12288,
            .process_resident_bytes = 1 << 20};
  }

  TraceWriter writer(const std::string& path) const { return {path, metadata, buffers, program}; }

  /// Two micro-batches, the optimizer, the step's end.
  static void append(TraceWriter& writer, int64_t training_step) {
    for (int32_t m : {0, 1}) {
      const TimeSpan body[] = {time(training_step, m, 0), time(training_step, m, 1)};
      writer.run(training_step, m, 0, body);
    }
    const TimeSpan optimizer[] = {time(training_step, 5, 2)};
    writer.run(training_step, -1, 2, optimizer);
    writer.step(step(training_step));
  }
  void write(const std::string& path, int64_t training_steps) const {
    TraceWriter w(path, metadata, buffers, program);
    for (int64_t t = 0; t < training_steps; ++t) append(w, t);
  }
};

}  // namespace tidemark
