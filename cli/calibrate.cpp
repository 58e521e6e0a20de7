#include "planner/cost/calibration.h"

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/file.h"
#include "base/median.h"
#include "base/units.h"
#include "cli/checks.h"
#include "cli/commands.h"
#include "cli/planning.h"
#include "cli/table.h"
#include "cli/training_run.h"

namespace tidemark::cli {
namespace {

/// Presets of at most so many parameters run, unless models are named.
constexpr int64_t kMostParameters = 15'000'000;

struct Options {
  std::vector<std::string> models;
  std::vector<std::string> dtypes = {"f32"};
  int threads = 0;
  int rounds = 2;
  int steps = 3;
  std::string out;
  bool as_json = false;
};

/// Sizes of batches, small to what a training step has.
struct Size {
  int64_t batch, length;  ///< of sequences
  int64_t images;         ///< of a model of images
};
constexpr Size kSizes[] = {{1, 256, 8}, {8, 256, 32}, {2, 1024, 128}};
constexpr int64_t kTimeOfSteps =
    200'000'000;                ///< ns: small models take more steps than asked for, up to so long…
constexpr int kMostSteps = 50;  ///< …or so many

std::vector<std::string> small_presets() {
  std::vector<std::string> names = preset_names();
  std::erase_if(names, [](const std::string& name) {
    return model_from_preset(name)->parameter_count() > kMostParameters;
  });
  return names;
}

/// The ops of one model at one size, each with the median of its times, the first step left out.
std::vector<OpSample> measure(const ModelOptions& options, const Options& o) {
  const BuiltModel built = build(options);
  if (!o.as_json)
    std::cerr << "  running " << built.name << ", " << format_count(built.batch.tokens) << " "
              << unit_of(*built.model) << ", " << options.dtype << "\n";
  const Graph& graph = built.training;
  const Plan plan = choose_plan(graph, PlanOptions{}, options.threads);
  TrainingRun training(built, plan, DataOptions{}, LearningRate{}, options.threads);
  std::vector<std::vector<double>> seconds(plan.schedule.steps.size());
  const int64_t until = now_ns() + kTimeOfSteps;
  for (int step = 0; step < o.steps || (step < kMostSteps && now_ns() < until); ++step) {
    training.step();
    if (step == 0 && o.steps > 1) continue;
    for (size_t i = 0; i < seconds.size(); ++i) {
      const TimeSpan& t = training.runtime().times()[i];
      seconds[i].push_back(static_cast<double>(t.end_ns - t.start_ns) * 1e-9);
    }
  }
  std::vector<OpSample> samples;
  for (size_t i = 0; i < seconds.size(); ++i)
    samples.push_back(op_sample(OpView(graph, graph.op(plan.schedule.steps[i].op)), median(seconds[i])));
  return samples;
}

/// The least of rounds far apart: a machine can be slower for longer than a model's steps take, and what
/// others on it add is never less than nothing.
std::vector<OpSample> measure_all(const std::vector<ModelOptions>& models, const Options& o) {
  std::vector<OpSample> best;
  for (int round = 1; round <= o.rounds; ++round) {
    if (!o.as_json) std::cerr << "round " << round << " of " << o.rounds << "\n";
    size_t at = 0;
    for (const ModelOptions& model : models)
      for (OpSample& sample : measure(model, o)) {
        if (round == 1)
          best.push_back(std::move(sample));
        else
          best[at].seconds = std::min(best[at].seconds, sample.seconds);
        ++at;
      }
  }
  return best;
}

void print(const std::vector<OpSample>& samples, const DeviceSpeed& speed) {
  const std::vector<KindTotal> totals = totals_by_kind(samples);
  double all = 0;
  for (const KindTotal& total : totals) all += total.seconds;
  std::printf("\n%-40s %9s %9s %9s\n", "kind of op", "of time", "GFLOP/s", "GB/s");
  for (const KindTotal& t : totals)
    std::printf("%-40s %9s %9.1f %9.1f\n", t.kind.c_str(), format_percent(t.seconds / all).c_str(),
                t.work.flops / t.seconds * 1e-9, t.work.bytes / t.seconds * 1e-9);
  std::printf("\n");
  print_row("arithmetic", format_count(static_cast<int64_t>(speed.flops_per_second * 1e-9)) + " GFLOP/s");
  print_row("memory", format_count(static_cast<int64_t>(speed.bytes_per_second * 1e-9)) + " GB/s");
  print_row("shortest op", format_seconds(speed.seconds_per_op));
}

ModelOptions model_at(const std::string& preset, const std::string& dtype, const Size& size, int threads) {
  ModelOptions options;
  options.preset = preset;
  options.dtype = dtype;
  options.threads = threads;
  options.length = size.length;
  const bool images = load(options)->pixels() > 0;
  options.batch = images ? size.images : size.batch;
  return options;
}

void run(const Options& o) {
  const int threads = threads_of(o.threads);
  std::vector<ModelOptions> models;
  for (const std::string& name : o.models.empty() ? small_presets() : o.models)
    for (const std::string& dtype : o.dtypes)
      for (const Size& size : kSizes) models.push_back(model_at(name, dtype, size, threads));
  const std::vector<OpSample> samples = measure_all(models, o);
  const DeviceSpeed speed = calibrated_speed(samples, threads);
  write_text_file(o.out, to_json(speed).dump(1) + "\n", "cannot write the device's speed");
  if (o.as_json) {
    std::cout << to_json(speed).dump(2) << "\n";
    return;
  }
  print(samples, speed);
  print_row("written to", o.out);
}

}  // namespace

void add_calibrate(CLI::App& app, ExitCode&) {
  auto* command =
      app.add_subcommand("calibrate", "Measure what this machine's ops take, for plans without a profile");
  auto o = std::make_shared<Options>();
  command->add_option("--model", o->models, "Presets whose ops to run; none: all small ones");
  command->add_option("--dtype", o->dtypes, "f32, bf16 or both: f32,bf16")
      ->delimiter(',')
      ->capture_default_str();
  command->add_option("--threads", o->threads, "Threads; 0: one per processor")->capture_default_str();
  command->add_option("--rounds", o->rounds, "Times that every model runs; of an op, its least time counts")
      ->check(positive())
      ->capture_default_str();
  command
      ->add_option("--steps", o->steps,
                   "Training steps of a round at each size, at least; the first is not counted")
      ->check(positive())
      ->capture_default_str();
  command->add_option("--out", o->out, "Write the device here (device.json)")->required();
  command->add_flag("--json", o->as_json, "Print JSON");
  command->callback([o] { run(*o); });
}

}  // namespace tidemark::cli
