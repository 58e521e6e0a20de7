#include <cstdio>
#include <iostream>

#include "base/units.h"
#include "cli/checks.h"
#include "cli/commands.h"
#include "cli/keep_inputs.h"
#include "cli/planning.h"
#include "cli/profile_command.h"
#include "cli/training_run.h"
#include "profiler/report.h"

namespace tidemark::cli {
namespace {

struct Options {
  ModelOptions model;
  DataOptions data;
  PlanOptions plan;
  int64_t steps = 5;
  std::string out;
  bool as_json = false;
  std::vector<std::string> command;
  bool memory_only = false, no_pytorch = false;
};

void report(const std::string& path, bool as_json) {
  const Trace trace(path);
  const Attribution attribution = attribute(trace);
  if (as_json)
    std::cout << report_json(trace, attribution).dump(2) << "\n";
  else
    print_report(std::cout, trace, attribution);
}

void run(const Options& o) {
  keep_inputs(o.out, {o.model.config, o.data.path, o.plan.file, o.plan.budget.profile, o.plan.budget.device});
  const BuiltModel built = build(o.model);
  const Plan plan = choose_plan(built.training, o.plan, threads_of(o.model.threads), o.model.micro_batches);
  {
    TrainingRun training(built, plan, o.data, LearningRate{}, o.model.threads);
    training.record(o.out);
    for (int64_t i = 0; i < o.steps; ++i) {
      training.step();
      training.check_recording();
    }
  }
  report(o.out, o.as_json);
}

/// Of several traces, after their reports: which is the fullest, and whether one is not explained.
void print_summary(const std::vector<std::string>& traces) {
  std::printf("\n%-44s %10s %10s %10s\n", (std::to_string(traces.size()) + " traces").c_str(), "peak",
              "in use", "explained");
  for (const std::string& path : traces) {
    const Attribution a = attribute(Trace(path));
    const size_t cut = path.size() > 42 ? path.size() - 39 : 0;
    std::string used = "-", explained = "-";
    if (a.device_used_bytes > 0) {
      used = format_bytes(a.device_used_bytes);
      char share[16];
      std::snprintf(share, sizeof share, "%.2f %%", 100 * a.coverage);
      explained = share;
    }
    std::printf("  %-42s %10s %10s %10s\n", ((cut > 0 ? "..." : "") + path.substr(cut)).c_str(),
                format_bytes(a.peak_bytes).c_str(), used.c_str(), explained.c_str());
  }
}

/// The status is the command's.
ExitCode run_command(const Options& o) {
  const CommandProfile profile =
      profile_command(o.command, o.out, {.kernels = !o.memory_only, .pytorch = !o.no_pytorch});
  for (const std::string& path : profile.snapshots)
    std::cerr << "tidemark: what PyTorch allocated is not in the trace: 'tidemark import " << path
              << "' shows it\n";
  if (o.as_json && profile.traces.size() > 1) {
    nlohmann::json reports;
    for (const std::string& path : profile.traces) {
      const Trace trace(path);
      reports[path] = report_json(trace, attribute(trace));
    }
    std::cout << reports.dump(2) << "\n";
  } else {
    for (const std::string& path : profile.traces) report(path, o.as_json);
    if (profile.traces.size() > 1) print_summary(profile.traces);
  }
  return static_cast<ExitCode>(profile.status);
}

}  // namespace

void add_profile(CLI::App& app, ExitCode& status) {
  auto* command = app.add_subcommand("profile", "Run some training steps and say what fills the memory");
  auto o = std::make_shared<Options>();
  add_model_options(*command, o->model);
  add_data_options(*command, o->data)
      ->description("UTF-8 text, or ids in a .bin or .npy file; none: random tokens");
  add_plan_options(*command, o->plan);
  command->add_option("--steps", o->steps, "Training steps")->check(positive())->capture_default_str();
  const std::vector<CLI::Option*> of_model = command->get_options();
  command->add_option("--out", o->out, "Write the trace here (run.tide)")->required();
  command->add_flag("--json", o->as_json, "Print JSON");
  auto* program =
      command->add_option("COMMAND", o->command, "Any CUDA program, after --, in the place of a model");
  for (CLI::Option* option : of_model)
    if (option != command->get_help_ptr()) program->excludes(option);
  command->add_flag("--memory-only", o->memory_only, "Of a COMMAND: no kernels, copies and API calls")
      ->needs(program);
  command->add_flag("--no-pytorch", o->no_pytorch, "Of a COMMAND: not what PyTorch's allocator gives out")
      ->needs(program);
  command->callback([o, &status] {
    if (o->command.empty())
      run(*o);
    else
      status = run_command(*o);
  });
}

}  // namespace tidemark::cli
