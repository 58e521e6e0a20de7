// Whole training steps of a model over sequences of given lengths, timed: our side of bench/compare.py.
// Prints one JSON line: median step seconds, tokens per step, the plan's strategy, planned and measured peak bytes, the ISA.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>
#include <random>

#include "base/error.h"
#include "base/median.h"
#include "executor/cpu/isa.h"
#include "executor/io/batch.h"
#include "executor/training/initialize.h"
#include "executor/training/session.h"
#include "executor/training/state.h"
#include "graph/autodiff.h"
#include "models/model.h"
#include "planner/planner.h"

namespace tidemark {
namespace {

struct Options {
  std::string config;
  std::vector<int64_t> lengths;
  std::string dtype = "f32";
  int64_t budget = 0;
  int steps = 8;
  int threads = 2;
};

BatchSpec spec_of(const Options& o) {
  BatchSpec spec;
  for (int64_t n : o.lengths) {
    spec.tokens += n;
    spec.max_length = std::max(spec.max_length, n);
  }
  spec.sequences = static_cast<int64_t>(o.lengths.size());
  spec.dtype = dtype_from(o.dtype, "--dtype");
  return spec;
}

/// Random tokens in the layout that the graph's inputs ask for.
void fill(Runtime& runtime, const Options& o, int64_t vocabulary) {
  std::mt19937_64 random(1);
  std::vector<int32_t> ids;
  std::vector<Piece> pieces;
  for (int64_t n : o.lengths) {
    pieces.push_back({static_cast<int64_t>(ids.size()), n, false});
    for (int64_t i = 0; i <= n; ++i)
      ids.push_back(static_cast<int32_t>(random() % static_cast<uint64_t>(vocabulary)));
  }
  const BatchView view = input_view(runtime);
  pack(
      pieces, view, [&](int64_t i) { return ids[static_cast<size_t>(i)]; },
      [&](int64_t i) { return ids[static_cast<size_t>(i + 1)]; });
}

nlohmann::json measure(const Options& o) {
  const auto model = model_from_file(o.config);
  const BatchSpec spec = spec_of(o);
  const Graph graph = make_training_graph(model->build(spec), {});
  PlanRequest request;
  request.device.threads = o.threads;
  request.budget_bytes = o.budget;
  request.times = analytic_times(graph, cpu_speed(o.threads));
  const PlanResult planned = make_plan(graph, request);
  if (!planned.plan)
    throw Error("cannot run", "--budget", "no plan fits",
                "give at least " + std::to_string(planned.smallest_feasible_bytes));
  Runtime runtime(graph, *planned.plan);
  initialize_parameters(runtime, 0);
  fill(runtime, o, model->vocabulary());
  Session session(runtime, {}, 0);
  std::vector<double> seconds;
  for (int i = 0; i < o.steps; ++i) seconds.push_back(session.step([](Runtime&, int64_t, int) {}).seconds);
  seconds.erase(seconds.begin(), seconds.begin() + std::min<std::ptrdiff_t>(2, o.steps - 1));
  return {{"step_seconds_median", median(seconds)},
          {"tokens", spec.tokens},
          {"strategy", planned.plan->strategy},
          {"planned_peak_bytes", planned.plan->arena_bytes},
          {"measured_peak_bytes", runtime.resident_bytes()},
          {"isa", cpu::isa_name()}};
}

}  // namespace
}  // namespace tidemark

int main(int argc, char** argv) {
  using namespace tidemark;
  Options o;
  CLI::App app("Times whole training steps.");
  app.add_option("config", o.config, "config.json of a model")->required()->check(CLI::ExistingFile);
  app.add_option("--lengths", o.lengths, "Of the packed sequences, comma-separated")
      ->delimiter(',')
      ->required();
  app.add_option("--dtype", o.dtype)->capture_default_str();
  app.add_option("--budget", o.budget, "Arena bytes; 0: keep everything")->capture_default_str();
  app.add_option("--steps", o.steps)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--threads", o.threads)->check(CLI::PositiveNumber)->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    std::cout << measure(o) << "\n";
  } catch (const tidemark::Error& e) {
    std::cerr << "training_step: " << e.what() << "\n";
    return static_cast<int>(e.code());
  }
  return 0;
}
