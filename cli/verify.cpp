#include <iostream>
#include <nlohmann/json.hpp>
#include <set>

#include "base/json_file.h"
#include "cli/checks.h"
#include "cli/commands.h"
#include "cli/planning.h"
#include "cli/table.h"
#include "executor/training/reference.h"

namespace tidemark::cli {
namespace {

using nlohmann::json;

struct Options {
  std::string config;
  std::string reference;
  PlanOptions plan;
  int threads = 0;
  double tolerance = 1e-4;
  bool as_json = false;
};

/// A config.json, or a reference's description: {"config": …, "no_grad": […], "tied": {…}}.
struct Description {
  json config;
  std::set<std::string> no_grad, tied;
};

Description read_description(const std::string& path) {
  Description d;
  d.config = read_python_json(path, "cannot read the config");
  if (!d.config.is_object() || !d.config.contains("config")) return d;
  const json whole = std::move(d.config);
  d.config = whole["config"];
  const auto names = [&](const char* field, std::set<std::string>& into) {
    const json list = whole.value(field, json::array());
    for (const auto& [key, value] : list.items()) {
      const json& name = list.is_object() ? json(key) : value;
      if (!name.is_string())
        throw Error("cannot read the config", path + ", " + field, "not a list of parameters' names",
                    "check the file");
      into.insert(name.get<std::string>());
    }
  };
  names("no_grad", d.no_grad);
  names("tied", d.tied);
  return d;
}

void print(const Comparison& c, const Options& o) {
  char text[80];
  std::snprintf(text, sizeof text, "%.8g, reference %.8g: relative error %.1e", c.loss, c.reference_loss,
                c.loss_error);
  print_row("loss", text);
  std::snprintf(text, sizeof text, "%d compared, worst relative error %.1e",
                static_cast<int>(c.errors.size()), c.worst_error);
  print_row("gradients", text);
  print_row("worst", c.worst_gradient);
  std::snprintf(text, sizeof text, "%s (tolerance %.0e)", c.passed(o.tolerance) ? "passed" : "FAILED",
                o.tolerance);
  print_row("verification", text);
}

ExitCode run(const Options& o) {
  const Description description = read_description(o.config);
  const auto model = load_model(description.config, o.config);
  const TensorReader reference(o.reference);
  const ReferenceBatch batch = reference_batch(reference, *model);
  const int ensemble = static_cast<int>(model->ensemble_size());
  const Graph graph =
      make_training_graph(model->build(batch.spec), {.optimizer = std::nullopt, .micro_batches = ensemble});
  const Plan plan = choose_plan(graph, o.plan, threads_of(o.threads), ensemble);
  Runtime runtime(graph, plan, {.threads = o.threads});
  const Comparison c =
      compare_with_reference(runtime, *model, batch, reference, description.no_grad, description.tied);
  const bool passed = c.passed(o.tolerance);
  if (o.as_json)
    std::cout << json{{"loss_error", c.loss_error},
                      {"worst_gradient", c.worst_gradient},
                      {"worst_error", c.worst_error},
                      {"passed", passed},
                      {"tolerance", o.tolerance},
                      {"loss", c.loss},
                      {"reference_loss", c.reference_loss},
                      {"gradients", c.errors.size()},
                      {"gradient_errors", c.errors},
                      {"strategy", plan.strategy},
                      {"predicted_peak_bytes", plan.arena_bytes},
                      {"measured_peak_bytes", runtime.resident_bytes()}}
                     .dump(2)
              << "\n";
  else
    print(c, o);
  return passed ? ExitCode::ok : ExitCode::no;
}

}  // namespace

void add_verify(CLI::App& app, ExitCode& status) {
  auto* command = app.add_subcommand("verify", "Compare a model's loss and gradients with a reference");
  auto o = std::make_shared<Options>();
  command->add_option("CONFIG", o->config, "A config.json, or a JSON file that holds one under 'config'")
      ->required();
  command->add_option("REFERENCE", o->reference, "Safetensors: input/, weight/, grad/, output/loss")
      ->required();
  add_plan_options(*command, o->plan);
  command->add_option("--threads", o->threads, "Threads; 0: one per processor")->capture_default_str();
  command->add_option("--tolerance", o->tolerance, "Largest relative error (L2) of loss and gradients")
      ->check(positive())
      ->capture_default_str();
  command->add_flag("--json", o->as_json, "Print JSON");
  command->callback([o, &status] { status = run(*o); });
}

}  // namespace tidemark::cli
