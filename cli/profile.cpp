#include <iostream>

#include "cli/commands.h"
#include "cli/planning.h"
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
};

void run(const Options& o) {
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
  const Trace trace(o.out);
  const Attribution attribution = attribute(trace);
  if (o.as_json)
    std::cout << report_json(trace, attribution).dump(2) << "\n";
  else
    print_report(std::cout, trace, attribution);
}

}  // namespace

void add_profile(CLI::App& app, ExitCode&) {
  auto* command = app.add_subcommand("profile", "Run some training steps and say what fills the memory");
  auto o = std::make_shared<Options>();
  add_model_options(*command, o->model);
  add_data_options(*command, o->data)
      ->description("UTF-8 text, or ids in a .bin or .npy file; none: random tokens");
  add_plan_options(*command, o->plan);
  command->add_option("--steps", o->steps, "Training steps")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--out", o->out, "Write the trace here (run.tide)")->required();
  command->add_flag("--json", o->as_json, "Print JSON");
  command->callback([o] { run(*o); });
}

}  // namespace tidemark::cli
