#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/units.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/keep_inputs.h"
#include "cli/loss_chunks.h"
#include "cli/pareto.h"
#include "cli/plan_summary.h"
#include "cli/planning.h"
#include "cli/table.h"
#include "graph/op_def.h"
#include "graph/serialize.h"
#include "planner/sharding/states.h"

namespace tidemark::cli {
namespace {

using nlohmann::json;

struct Options {
  ModelOptions model;
  std::string graph;
  BudgetOptions budget;
  std::string out;
  bool tune_loss_chunks = false;
  bool pareto = false;
  int points = 12;
  std::string picture;
  bool as_json = false;
};

void print_model(const BuiltModel& built, const ModelOptions& o) {
  const Graph& g = built.training;
  print_row("model", built.name + ", " + format_count(g.parameter_count()) + " parameters");
  const int64_t pixels = built.model->pixels(), target_tokens = built.batch.target_tokens;
  const std::string targets = target_tokens > 0 ? " + " + format_count(target_tokens / o.batch) : "";
  print_row("micro-batch",
            format_count(o.batch) +
                (pixels > 0 ? " images of " + format_count(pixels) + " pixels, "
                            : " x " + format_count(o.length) + targets + " tokens, ") +
                o.dtype + (o.micro_batches > 1 ? ", " + std::to_string(o.micro_batches) + " a step" : ""));
  const ModelStates s = model_states(g);
  const int64_t n = g.parameter_count();
  print_row("states", decimal_bytes(s.total()) + " = " + format_count(s.total()) + " bytes");
  print_row("", decimal_bytes(s.parameters) + " parameters, " + decimal_bytes(s.gradients) + " gradients, " +
                    decimal_bytes(s.optimizer) + " optimizer");
  print_row("", std::to_string(s.parameters / n) + " + " + std::to_string(s.gradients / n) + " + " +
                    std::to_string(s.optimizer / n) + " bytes per parameter");
}

void print_graph(const Graph& graph) {
  CategoryBytes states{};
  int64_t made = 0;
  for (const Value& v : graph.values())
    (v.producer == kNone ? states[static_cast<size_t>(v.category)] : made) += v.bytes();
  print_row("graph", graph.name() + ", " + format_count(static_cast<int64_t>(graph.ops().size())) + " ops");
  for (int c = 0; c < kCategoryCount; ++c)
    if (const int64_t bytes = states[static_cast<size_t>(c)]; bytes > 0)
      print_row("  given: " + std::string(name_of(static_cast<Category>(c))), format_bytes(bytes));
  print_row("  made", format_bytes(made));
}

/// Op kinds that run again, the longest first: "12x swiglu, 12x rms_norm".
std::string recomputed(const Graph& graph, const Plan& plan) {
  std::map<std::string, int> kinds;
  for (const Step& step : plan.schedule.steps)
    if (step.recompute) ++kinds[std::string(graph.op(step.op).def->name)];
  std::vector<std::pair<int, std::string>> sorted;
  for (const auto& [kind, count] : kinds) sorted.emplace_back(count, kind);
  std::sort(sorted.rbegin(), sorted.rend());
  std::string text;
  for (const auto& [count, kind] : sorted)
    text += (text.empty() ? "" : ", ") + std::to_string(count) + "x " + kind;
  return text.empty() ? "nothing" : text;
}

/// What is in the host's memory for a while, or lives there: "12 values, 3.2 GiB".
std::string offloaded(const Plan& plan) {
  std::set<ValueId> values;
  for (const Offload& o : plan.offloads) values.insert(o.value);
  return std::to_string(values.size()) + (values.size() == 1 ? " value, " : " values, ") +
         format_bytes(plan.host_bytes) + " of host memory" +
         (plan.device.name == "cpu" ? ", which is the same RAM" : "");
}

void print_plan(const Graph& graph, const Plan& plan) {
  print_row("strategy", plan.strategy + ", found in " + format_seconds(plan.solve_seconds));
  print_row("predicted peak", exact_bytes(plan.arena_bytes));
  print_row("unplanned peak", exact_bytes(plan.unplanned_peak_bytes) + ": " +
                                  format_percent(static_cast<double>(plan.arena_bytes) /
                                                 static_cast<double>(plan.unplanned_peak_bytes)) +
                                  " of it");
  for (int c = 0; c < kCategoryCount; ++c)
    if (const int64_t bytes = plan.peak_by_category[static_cast<size_t>(c)]; bytes > 0)
      print_row("  " + std::string(name_of(static_cast<Category>(c))), format_bytes(bytes));
  print_row("predicted step", format_seconds(plan.predicted_seconds) + " by " + plan.cost_model + " times, " +
                                  format_percent(plan.predicted_seconds / plan.unplanned_seconds - 1) +
                                  " over unplanned");
  print_row("optimality gap", "at most " + format_percent(plan.gap) + " slower than any plan" +
                                  (plan.budget_bytes > 0 ? " in this budget" : ""));
  print_row("arena", "fragmentation " +
                         format_percent(static_cast<double>(plan.arena_bytes) /
                                            static_cast<double>(std::max<int64_t>(1, plan.live_bytes)) -
                                        1) +
                         " over the bytes live at the peak");
  print_wrapped("recomputed", recomputed(graph, plan));
  if (plan.offloads.empty()) return;
  print_row("offloaded", offloaded(plan));
  print_row("waits for copies", format_seconds(plan.copy_seconds) + " a step");
}

json summary(const PlanResult& result, const PlanRequest& request) {
  json j = {{"fits", result.plan.has_value()},
            {"budget_bytes", request.budget_bytes},
            {"unplanned_peak_bytes", result.unplanned_peak_bytes},
            {"missing_bytes", result.missing_bytes},
            {"smallest_feasible_bytes", result.smallest_feasible_bytes}};
  if (!result.plan) return j;
  j.update(plan_summary(*result.plan));
  return j;
}

void show_progress(const SearchProgress& p) {
  std::cerr << "  " << p.strategy << ": " << format_seconds(p.seconds) << " a step, at most "
            << format_percent(p.seconds / p.lower_bound_seconds - 1) << " slower than any plan\n";
}

/// The graph to plan, once it is printed what it is.
Graph subject(const Options& o) {
  if (!o.graph.empty()) {
    Graph graph = load_graph(o.graph);
    if (!o.as_json) print_graph(graph);
    return graph;
  }
  BuiltModel built = build(o.model);
  if (!o.as_json) print_model(built, o.model);
  return std::move(built.training);
}

PlanRequest request_of(const Graph& graph, const Options& o) {
  PlanRequest request = plan_request(graph, o.budget, threads_of(o.model.threads), o.model.micro_batches);
  request.stop = stop_requested;
  if (isatty(STDERR_FILENO) == 1 && !o.pareto) request.progress = show_progress;
  return request;
}

/// `loss_rows` 0: as they were asked for.
ExitCode answer(const Graph& graph, const PlanRequest& request, const PlanResult& result, int64_t loss_rows,
                const Options& o) {
  if (result.plan && !o.out.empty()) save_plan(*result.plan, graph, o.out);
  if (o.as_json) {
    json j = summary(result, request);
    if (loss_rows > 0) j["loss_chunk_rows"] = loss_rows;
    std::cout << j.dump(2) << "\n";
  } else if (result.plan) {
    if (loss_rows > 0)
      print_row("loss", format_count(loss_rows) + " tokens at a time: run it with --loss-chunk-rows " +
                            std::to_string(loss_rows));
    print_plan(graph, *result.plan);
    if (!o.out.empty()) print_row("written to", o.out);
  } else {
    print_row("budget", exact_bytes(request.budget_bytes) + ": does not fit");
    print_row("missing", exact_bytes(result.missing_bytes));
    print_row("smallest that fits", exact_bytes(result.smallest_feasible_bytes));
    print_row("unplanned peak", exact_bytes(result.unplanned_peak_bytes));
  }
  return result.plan ? ExitCode::ok : ExitCode::no;
}

ExitCode run_tuned(const Options& o) {
  int64_t budget = -1;  // of the first graph, which a share of the unplanned peak is of
  const Planned best = plan_with_best_loss_chunks(o.model, [&](const ModelOptions& model) {
    Planned p{.built = build(model), .request = {}, .result = {}};
    if (budget < 0 && !o.as_json) print_model(p.built, o.model);
    p.request = request_of(p.built.training, o);
    if (budget < 0) budget = p.request.budget_bytes;
    p.request.budget_bytes = budget;
    p.result = make_plan(p.built.training, p.request);
    return p;
  });
  return answer(best.built.training, best.request, best.result, best.loss_chunk_rows(), o);
}

ExitCode run(const Options& o) {
  for (const std::string& out : {o.out, o.picture})
    keep_inputs(out, {o.graph, o.model.config, o.budget.profile, o.budget.device});
  catch_interrupts();  // Ctrl-C ends the search, not the program
  if (o.tune_loss_chunks) return run_tuned(o);
  const Graph graph = subject(o);
  const PlanRequest request = request_of(graph, o);
  if (!o.pareto) return answer(graph, request, make_plan(graph, request), 0, o);
  show_curve(graph, pareto_curve(graph, request, o.points), {.as_json = o.as_json, .picture = o.picture});
  return ExitCode::ok;
}

}  // namespace

void add_plan(CLI::App& app, ExitCode& status) {
  auto* command = app.add_subcommand("plan", "Choose what to keep and what to recompute within a budget");
  auto o = std::make_shared<Options>();
  add_model_options(*command, o->model);
  auto* graph = command->add_option("--graph", o->graph, "Any training graph (JSON: docs/formats.md)");
  for (const char* of_model : {"--model", "--config", "--batch", "--length", "--target-length", "--dtype",
                               "--packing", "--loss-chunk-rows", "--clip-norm", "--weight-decay", "--beta2"})
    graph->excludes(command->get_option(of_model));
  add_budget_options(*command, o->budget);
  command
      ->add_flag("--tune-loss-chunks", o->tune_loss_chunks,
                 "Choose --loss-chunk-rows, too: plan for several, and take the fastest")
      ->excludes(graph)
      ->excludes(command->get_option("--loss-chunk-rows"))
      ->excludes(command->get_option("--profile"));
  auto* out = command->add_option("--out", o->out, "Write the plan here (plan.json)");
  auto* pareto =
      command->add_flag("--pareto", o->pareto, "Plan for many budgets: the trade-off of peak and time");
  pareto->excludes(out);
  for (const char* one_budget : {"--budget", "--tune-loss-chunks"})
    pareto->excludes(command->get_option(one_budget));
  command->add_option("--points", o->points, "Budgets of the trade-off, at most")
      ->needs(pareto)
      ->check(CLI::Range(kFewestParetoPoints, 1000))
      ->capture_default_str();
  command->add_option("--picture", o->picture, "Draw the trade-off here (SVG)")->needs(pareto);
  command->add_flag("--json", o->as_json, "Print JSON");
  command->callback([o, &status] { status = run(*o); });
}

}  // namespace tidemark::cli
