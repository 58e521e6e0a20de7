#include "planner/cost/calibration.h"

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/median.h"
#include "base/units.h"
#include "cli/commands.h"
#include "cli/planning.h"
#include "cli/table.h"
#include "cli/training_run.h"

namespace tidemark::cli {
namespace {

/// Of each family the smallest preset and the largest of at most so many parameters run, unless models are
/// named.
constexpr int64_t kMostParameters = 10'000'000;

struct Options {
  std::vector<std::string> models;
  std::vector<std::string> dtypes = {"f32"};
  int threads = 0;
  int steps = 4;
  std::string out;
  bool as_json = false;
};

/// Sizes of batches, small to what a training step has: batch x length.
struct Size {
  int64_t batch, length;
};
constexpr Size kSizes[] = {{1, 256}, {8, 256}, {2, 1024}};
constexpr int64_t kTokensPerImage = 32;  ///< a model of images takes one for as many

std::vector<std::string> models_of_every_family() {
  std::map<std::string, std::map<int64_t, std::string>> families;
  for (const std::string& name : preset_names()) {
    const auto model = model_from_preset(name);
    const int64_t parameters = model->parameter_count();
    if (parameters <= kMostParameters) families[model->family()][parameters] = name;
  }
  std::vector<std::string> names;
  for (const auto& [family, presets] : families) {
    names.push_back(presets.begin()->second);
    if (presets.size() > 1) names.push_back(presets.rbegin()->second);
  }
  return names;
}

/// The ops of one model at one size, each with the median of its times, the first step left out.
void measure(const ModelOptions& options, const Options& o, std::vector<OpSample>& samples) {
  const BuiltModel built = build(options);
  if (!o.as_json)
    std::cerr << "  running " << built.name << ", " << format_count(built.batch.tokens) << " "
              << unit_of(*built.model) << ", " << options.dtype << "\n";
  const Graph& graph = built.training;
  const Plan plan = choose_plan(graph, PlanOptions{}, options.threads);
  TrainingRun training(built, plan, DataOptions{}, LearningRate{}, options.threads);
  std::vector<std::vector<double>> seconds(plan.schedule.steps.size());
  for (int step = 0; step < o.steps; ++step) {
    training.step();
    if (step == 0 && o.steps > 1) continue;
    for (size_t i = 0; i < seconds.size(); ++i) {
      const TimeSpan& t = training.runtime().times()[i];
      seconds[i].push_back(static_cast<double>(t.end_ns - t.start_ns) * 1e-9);
    }
  }
  for (size_t i = 0; i < seconds.size(); ++i)
    samples.push_back(
        op_sample(OpView(graph, graph.op(plan.schedule.steps[i].op)), median(std::move(seconds[i]))));
}

void print(const std::vector<OpSample>& samples, const DeviceSpeed& speed) {
  const std::vector<KindTotal> totals = totals_by_kind(samples);
  double all = 0;
  for (const KindTotal& total : totals) all += total.seconds;
  std::printf("\n%-32s %10s %9s %9s\n", "kind of op", "of time", "GFLOP/s", "GB/s");
  for (const KindTotal& t : totals)
    std::printf("%-32s %10s %9.1f %9.1f\n", t.kind.c_str(), format_percent(t.seconds / all).c_str(),
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
  options.batch = images ? size.batch * size.length / kTokensPerImage : size.batch;
  return options;
}

void run(const Options& o) {
  const int threads = threads_of(o.threads);
  std::vector<OpSample> samples;
  for (const std::string& name : o.models.empty() ? models_of_every_family() : o.models)
    for (const std::string& dtype : o.dtypes)
      for (const Size& size : kSizes) measure(model_at(name, dtype, size, threads), o, samples);
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
  command->add_option("--model", o->models, "Presets whose ops to run; none: a small one of every family");
  command->add_option("--dtype", o->dtypes, "f32, bf16 or both: f32,bf16")
      ->delimiter(',')
      ->capture_default_str();
  command->add_option("--threads", o->threads, "Threads; 0: one per processor")->capture_default_str();
  command->add_option("--steps", o->steps, "Training steps at each size; the first is not counted")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--out", o->out, "Write the device here (device.json)")->required();
  command->add_flag("--json", o->as_json, "Print JSON");
  command->callback([o] { run(*o); });
}

}  // namespace tidemark::cli
