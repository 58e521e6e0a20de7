// Whole training steps of a model over sequences of given lengths, timed: our side of bench/compare.py.
// Prints one JSON line: median step seconds, tokens per step, the model's parameters, the plan's strategy,
// planned and measured peak bytes, the ISA. With --trace every second step is recorded, and the line also has
// the median of what recording added to a step.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>

#include "base/clock.h"
#include "base/error.h"
#include "base/median.h"
#include "executor/cpu/isa.h"
#include "executor/io/batch.h"
#include "executor/io/image_batch.h"
#include "executor/io/number_batch.h"
#include "executor/training/initialize.h"
#include "executor/training/session.h"
#include "executor/training/state.h"
#include "executor/training/trace_collector.h"
#include "graph/autodiff.h"
#include "models/model.h"
#include "planner/planner.h"

namespace tidemark {
namespace {

struct Options {
  std::string config;
  std::string trace;
  std::vector<int64_t> lengths;
  int64_t batch = 1, length = 256;
  std::string dtype = "f32";
  int64_t budget = 0;
  int steps = 8;
  int threads = 2;
  std::string backend = "cpu";
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
void fill_tokens(const BatchView& view, const Options& o, int64_t vocabulary) {
  std::mt19937_64 random(1);
  std::vector<int32_t> ids;
  std::vector<Piece> pieces;
  for (int64_t n : o.lengths) {
    pieces.push_back({static_cast<int64_t>(ids.size()), n, false});
    for (int64_t i = 0; i <= n; ++i)
      ids.push_back(static_cast<int32_t>(random() % static_cast<uint64_t>(vocabulary)));
  }
  pack(
      pieces, view, [&](int64_t i) { return ids[static_cast<size_t>(i)]; },
      [&](int64_t i) { return ids[static_cast<size_t>(i + 1)]; });
}

/// Random data of the model's kind; images under its first mask.
void fill(Runtime& runtime, const Options& o, const Model& model, const BatchSpec& spec) {
  const BatchView view = input_view(runtime);
  if (model.pixels() > 0) {
    const TensorType& type = runtime.graph().value(runtime.graph().require("x")).type;
    ImageBatchMaker(std::make_shared<ImageSource>(ImageSource::synthetic(model.pixels())), {})
        .fill(0, {"x", type, runtime.data<void>("x")});
    model.fill_constants(0, view);
  } else if (model.input_columns() > 0) {
    auto source = NumberSource::synthetic(model, spec.max_length, spec.max_length);
    NumberBatchMaker(std::make_shared<NumberSource>(std::move(source)), spec, {})
        .fill(0, number_view(runtime));
  } else if (model.pair_tokens()) {
    const PairViews views = pair_views(view);
    fill_tokens(views.source, o, model.vocabulary());
    fill_tokens(views.target, o, model.vocabulary());
  } else {
    fill_tokens(view, o, model.vocabulary());
  }
}

/// One step by the wall, with what the collector does after it.
double step_seconds(Session& session, TraceCollector* trace) {
  const int64_t start = now_ns();
  Session::Watch watch;
  if (trace) watch = [&](const Runtime&, int64_t step, int micro_batch) { trace->ran(step, micro_batch); };
  const StepResult result = session.step([](Runtime&, int64_t, int) {}, watch);
  if (trace) trace->finished(session.steps_done() - 1, result);
  return 1e-9 * static_cast<double>(now_ns() - start);
}

nlohmann::json measure(const Options& o) {
  const auto model = model_from_file(o.config);
  const BatchSpec spec = spec_of(o);
  const Graph graph = make_training_graph(model->build(spec), {});
  PlanRequest request;
  request.device = plan_device(o.backend, o.threads);
  request.budget_bytes = o.budget;
  request.times = analytic_times(graph, cpu_speed(o.threads));
  PlanResult planned = make_plan(graph, request);
  if (!planned.plan) {
    request.budget_bytes = planned.smallest_feasible_bytes;
    planned = make_plan(graph, request);
  }
  Runtime runtime(graph, *planned.plan);
  initialize_parameters(runtime, 0);
  fill(runtime, o, *model, spec);
  Session session(runtime, {}, 0);
  std::optional<TraceCollector> trace;
  if (!o.trace.empty()) trace.emplace(runtime, o.trace, nlohmann::json::object());
  for (int i = 0; i < std::min(2, o.steps - 1); ++i) step_seconds(session, nullptr);
  std::vector<double> plain, recorded, added;
  for (int i = 2; i < o.steps || plain.empty(); ++i) {
    plain.push_back(step_seconds(session, nullptr));
    if (!trace) continue;
    recorded.push_back(step_seconds(session, &*trace));
    added.push_back(recorded.back() / plain.back() - 1);
  }
  nlohmann::json out = {{"step_seconds_median", median(plain)},
                        {"tokens", spec.tokens},
                        {"parameters", model->parameter_count()},
                        {"strategy", planned.plan->strategy},
                        {"planned_peak_bytes", planned.plan->arena_bytes},
                        {"measured_peak_bytes", runtime.resident_bytes()},
                        {"isa", cpu::isa_name()}};
  if (trace)
    out.update(
        {{"recorded_step_seconds_median", median(recorded)}, {"recording_overhead_median", median(added)}});
  return out;
}

}  // namespace
}  // namespace tidemark

int main(int argc, char** argv) {
  using namespace tidemark;
  Options o;
  CLI::App app("Times whole training steps.");
  app.add_option("config", o.config, "config.json of a model")->required()->check(CLI::ExistingFile);
  app.add_option("--batch", o.batch, "Sequences, or images")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--length", o.length, "Of each, or an image's pixels")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--lengths", o.lengths, "Of sequences of several lengths, comma-separated")
      ->delimiter(',')
      ->excludes("--batch")
      ->excludes("--length");
  app.add_option("--dtype", o.dtype)->capture_default_str();
  app.add_option("--budget", o.budget,
                 "Arena bytes, or if no plan fits the fewest that one does; 0: keep everything")
      ->capture_default_str();
  app.add_option("--trace", o.trace, "Record every second step here, and say what that costs");
  app.add_option("--steps", o.steps)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--threads", o.threads)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--backend", o.backend)->check(CLI::IsMember({"cpu", "cuda"}))->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  if (o.lengths.empty()) o.lengths.assign(static_cast<size_t>(o.batch), o.length);
  try {
    std::cout << measure(o) << "\n";
  } catch (const tidemark::Error& e) {
    std::cerr << "training_step: " << e.what() << "\n";
    return static_cast<int>(e.code());
  }
  return 0;
}
