#include <cmath>
#include <iostream>

#include "base/units.h"
#include "cli/checks.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/keep_inputs.h"
#include "cli/planning.h"
#include "cli/progress.h"
#include "cli/table.h"
#include "cli/train_checkpoints.h"
#include "cli/validation.h"
#include "executor/io/file_seal.h"
#include "executor/training/state.h"

namespace tidemark::cli {
namespace {

using nlohmann::json;

struct Options {
  ModelOptions model;
  DataOptions data;
  PlanOptions plan;
  ValidationOptions validation;
  LearningRate rate;
  int64_t steps = 0;
  std::string weights;
  std::string trace;
  std::string save;
  int64_t save_every = 0;
  std::string resume;
  bool as_json = false;
};

void check(const Options& o) {
  if (!(o.rate.peak > 0) || !std::isfinite(o.rate.peak))
    throw Error("bad usage", "--learning-rate", "it must be above 0", "use 1e-3");
  if (o.rate.decay != LearningRate::Decay::cosine && o.rate.total_steps > 0)
    throw Error("bad usage", "--schedule-steps", "a decay with the inverse square root has no end",
                "leave it out");
  keep_inputs(o.trace,
              {o.model.config, o.data.path, o.plan.file, o.plan.budget.profile, o.plan.budget.device});
  if (o.save_every > 0 && o.save.empty())
    throw Error("bad usage", "--save-every", "it is not said where to", "give --save DIR");
}

/// What changes a run's numbers, but for the model and the seed: a resumed run must have the same.
json settings_of(const Options& o, const BuiltModel& built) {
  json settings = {{"batch", o.model.batch},
                   {"length", o.model.length},
                   {"target_length", o.model.target_length},
                   {"dtype", name_of(built.batch.dtype)},
                   {"documents", built.documents},
                   {"split", o.data.split},
                   {"separator", o.data.separator},
                   {"micro_batches", o.model.micro_batches},
                   {"clip_norm", o.model.clip_norm},
                   {"weight_decay", o.model.weight_decay},
                   {"beta2", o.model.beta2},
                   {"learning_rate", o.rate.peak},
                   {"warmup_steps", o.rate.warmup_steps},
                   {"schedule_steps", o.rate.total_steps},
                   {"final_fraction", o.rate.final_fraction},
                   {"decay", static_cast<int>(o.rate.decay)}};
  if (o.model.loss_chunk_rows > 0) settings["loss_chunk_rows"] = o.model.loss_chunk_rows;
  if (o.model.no_masters) settings["masters"] = false;
  if (!o.save.empty() || !o.resume.empty()) settings["data"] = file_seal(o.data.path, "cannot read the data");
  return settings;
}

struct Outcome {
  std::vector<double> losses;  ///< of all steps, those before a checkpoint included
  int64_t first_step = 0;      ///< that this run did
  bool interrupted = false;
};

/// Trains to the last step, an interrupt or the end of the validation's patience, and saves where asked to.
Outcome train(const Options& o, const BuiltModel& built, TrainingRun& run, Validation& validation,
              const json& settings, std::vector<double> losses) {
  catch_interrupts();
  const int64_t first_step = run.session().steps_done();
  const auto save_now = [&] { save(o.save, settings, built.model->config(), o.data.seed, losses, run); };
  Progress progress(o.steps, unit_of(*built.model));
  bool saved = false;
  while (run.session().steps_done() < o.steps && !stop_requested() && !validation.exhausted()) {
    const StepResult result = run.step();
    losses.push_back(result.loss);
    const int64_t done = run.session().steps_done();
    progress.show(done, result.loss, static_cast<double>(run.tokens_per_step()) / result.seconds,
                  run.median_step_seconds());
    if (validation.due(done)) validation.measure(progress);
    saved = o.save_every > 0 && done % o.save_every == 0;
    if (saved) save_now();
  }
  if (!o.save.empty() && !saved) save_now();
  return {std::move(losses), first_step, stop_requested()};
}

void print_json(const Options& o, const Plan& plan, TrainingRun& run, const Validation& validation,
                const Outcome& outcome) {
  const double seconds = run.median_step_seconds();
  json j = {{"losses", outcome.losses},
            {"first_step", outcome.first_step},
            {"interrupted", outcome.interrupted},
            {"predicted_peak_bytes", plan.arena_bytes},
            {"measured_peak_bytes", run.runtime().resident_bytes()},
            {"outside_growth_bytes", run.outside_growth_bytes()},
            {"process_resident_bytes", process_resident_bytes()},
            {"step_seconds_median", seconds},
            {"tokens_per_second", seconds > 0 ? static_cast<double>(run.tokens_per_step()) / seconds : 0.0},
            {"strategy", plan.strategy},
            {"threads", run.runtime().threads()}};
  if (!validation.best().is_null()) {
    j["validation"] = validation.results();
    j["best_validation"] = validation.best();
  }
  if (!o.save.empty()) j["saved_to"] = o.save;
  std::cout << j.dump(2) << "\n";
}

void print_summary(const Options& o, const BuiltModel& built, const Plan& plan, TrainingRun& run,
                   const Validation& validation, const Outcome& outcome) {
  const double seconds = run.median_step_seconds();
  const size_t done = outcome.losses.size() - static_cast<size_t>(outcome.first_step);
  char text[80];
  std::snprintf(text, sizeof text, "%.4f -> %.4f in %zu steps%s",
                outcome.losses[static_cast<size_t>(outcome.first_step)], outcome.losses.back(), done,
                outcome.interrupted ? " (interrupted)" : "");
  print_row("loss", text);
  if (const json best = validation.best(); !best.is_null()) {
    std::snprintf(text, sizeof text, "%.4f after step %lld", best["loss"].get<double>(),
                  best["step"].get<long long>());
    print_row("best validation", text);
  }
  print_row("step", format_seconds(seconds) + " (median), " +
                        format_count(std::llround(static_cast<double>(run.tokens_per_step()) / seconds)) +
                        " " + unit_of(*built.model) + "/s");
  print_row("plan", plan.strategy);
  print_row("predicted peak", exact_bytes(plan.arena_bytes));
  print_row("measured peak", exact_bytes(run.runtime().resident_bytes()));
  print_row("outside the arena", format_bytes(run.outside_growth_bytes()) + " more since the first step, " +
                                     format_bytes(process_resident_bytes()) + " in all");
  if (!o.save.empty()) print_row("saved to", o.save);
  if (!o.trace.empty()) print_row("trace", o.trace);
}

void run(const Options& o) {
  check(o);
  const BuiltModel built = build(o.model);
  const json settings = settings_of(o, built);
  std::optional<Checkpoint> checkpoint;
  if (!o.resume.empty()) {
    checkpoint.emplace(o.resume);
    check_same_run(*checkpoint, settings, built.model->config(), o.data.seed);
    if (checkpoint->progress().step >= o.steps)
      throw Error("cannot resume", checkpoint->directory(),
                  "it has done " + std::to_string(checkpoint->progress().step) + " steps already",
                  "give --steps above that: it counts from the start of the run");
  }
  const Plan plan = choose_plan(built.training, o.plan, threads_of(o.model.threads), o.model.micro_batches);
  TrainingRun run(built, plan, o.data, o.rate, o.model.threads);
  if (!o.weights.empty()) load_parameters(run.runtime(), TensorReader(o.weights));
  std::vector<double> losses;
  if (checkpoint) losses = resume(*checkpoint, run);
  checkpoint.reset();
  if (!o.trace.empty()) run.record(o.trace);
  Validation validation(o.validation, o.data, built, run, o.save);
  const Outcome outcome = train(o, built, run, validation, settings, std::move(losses));
  if (o.as_json)
    print_json(o, plan, run, validation, outcome);
  else if (run.median_step_seconds() > 0)
    print_summary(o, built, plan, run, validation, outcome);
  run.check_recording();
}

void add_rate_options(CLI::App& command, LearningRate& rate) {
  command.add_option("--learning-rate", rate.peak, "After the warm-up")->capture_default_str();
  command.add_option("--warmup-steps", rate.warmup_steps, "Steps of linear warm-up")
      ->check(not_negative())
      ->capture_default_str();
  command
      .add_option("--decay", rate.decay, "cosine (with --schedule-steps), or inverse-square-root of the step")
      ->transform(CLI::Transformer(std::map<std::string, LearningRate::Decay>{
          {"cosine", LearningRate::Decay::cosine},
          {"inverse-square-root", LearningRate::Decay::inverse_square_root}}))
      ->transform(CLI::IsMember({"cosine", "inverse-square-root"}, CLI::ignore_case))  // before the one above
      ->default_str("cosine");
  command
      .add_option("--schedule-steps", rate.total_steps, "The step at which a cosine decay ends; 0: no decay")
      ->check(not_negative())
      ->capture_default_str();
  command.add_option("--final-fraction", rate.final_fraction, "Of the learning rate, where the decay ends")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
}

}  // namespace

void add_train(CLI::App& app, ExitCode&) {
  auto* command = app.add_subcommand("train", "Train within a plan, and measure whether it held");
  auto o = std::make_shared<Options>();
  add_model_options(*command, o->model);
  add_data_options(*command, o->data)->required();
  add_plan_options(*command, o->plan);
  add_validation_options(*command, o->validation);
  command->add_option("--steps", o->steps, "Steps in all, those before a --resume included")
      ->check(positive())
      ->required();
  add_rate_options(*command, o->rate);
  auto* weights = command->add_option("--weights", o->weights, "Start from safetensors: a file or a folder");
  command->add_option("--resume", o->resume, "Go on from the checkpoint in this folder")->excludes(weights);
  command->add_option("--save", o->save, "Write checkpoints to this folder, the last one at the end");
  command->add_option("--save-every", o->save_every, "And one every so many steps")->check(not_negative());
  command->add_option("--trace", o->trace, "Record a trace (run.tide)");
  command->add_flag("--json", o->as_json, "Print JSON");
  command->callback([o] { run(*o); });
}

}  // namespace tidemark::cli
