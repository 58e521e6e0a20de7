#include "cli/planning.h"

#include "base/error.h"
#include "base/units.h"
#include "cli/checks.h"
#include "executor/runtime/backend.h"
#include "planner/cost/device.h"
#include "planner/remat/strategy.h"
#include "profiler/trace.h"

namespace tidemark::cli {
namespace {

DeviceSpeed speed_of(const BudgetOptions& options, int threads) {
  const std::string& device = options.device;
  if (device.empty()) return options.backend == "cuda" ? device_speed("h100") : cpu_speed(threads);
  DeviceSpeed speed = device_speed(device);
  if (speed.threads > 0 && speed.threads != threads)
    throw Error("cannot plan", device,
                "it was calibrated with " + std::to_string(speed.threads) + " threads, the plan is for " +
                    std::to_string(threads),
                "give --threads " + std::to_string(speed.threads) + ", or calibrate with as many");
  return speed;
}

OpTimes op_times(const Graph& graph, const BudgetOptions& options, const DeviceSpeed& speed) {
  if (options.profile.empty()) return analytic_times(graph, speed);
  return profiled_times(graph, speed, median_op_seconds(Trace(options.profile)));
}

OffloadKinds offload_kinds(const std::string& name) {
  return {.activations = name == "activations" || name == "all", .states = name == "states" || name == "all"};
}

int64_t budget_bytes(const std::string& text, const PlanRequest& request, const Graph& graph) {
  if (text.empty()) return 0;
  if (text.back() != '%') {
    const int64_t bytes = parse_bytes(text, "--budget");
    if (bytes == 0)
      throw Error("bad usage", "--budget", "a budget of 0 bytes holds no model",
                  "leave it out to plan without one");
    return bytes;
  }
  char* end = nullptr;
  const double share = std::strtod(text.c_str(), &end) / 100;
  if (end != text.c_str() + text.size() - 1 || !(share > 0 && share <= 100))
    throw Error("bad usage", "--budget", "'" + text + "' is not a share of the unplanned peak", "write 40%");
  PlanRequest keep_all = request;
  keep_all.strategy = "keep-all";
  return static_cast<int64_t>(share * static_cast<double>(make_plan(graph, keep_all).unplanned_peak_bytes));
}

void check_backend(const std::string& backend) {
  if (backend != "cuda") return;
  if (const std::string why = why_no_cuda(); !why.empty())
    throw Error("cannot run", "--backend cuda", why,
                "use --backend cpu, or a build with CUDA on a machine with an NVIDIA driver",
                ExitCode::failure);
}

Plan load_plan_for(const std::string& backend, const std::string& path, const Graph& graph) {
  Plan plan = load_plan(path, graph);
  if (plan.device.name != backend)
    throw Error("cannot run the plan", path, "it is for " + plan.device.name,
                "give --backend " + plan.device.name + ", or plan with --backend " + backend);
  return plan;
}

}  // namespace

void add_budget_options(CLI::App& command, BudgetOptions& o) {
  command.add_option("--budget", o.budget, "Bytes (300MiB), or a share of the unplanned peak (40%)");
  command.add_option("--strategy", o.strategy, "One of " + strategy_names() + "; auto: the best of all")
      ->capture_default_str();
  command.add_option("--profile", o.profile, "Take op times from this trace");
  command.add_option(
      "--device", o.device,
      "Without a profile: times of this device, a file of 'tidemark calibrate' or one of " + device_names());
  command
      .add_option("--time-limit", o.time_limit,
                  "Seconds to look for a faster plan; 0: a fixed number of tries, the same plan everywhere")
      ->check(not_negative())
      ->capture_default_str();
  command.add_option("--backend", o.backend, "Plan for cpu or cuda")
      ->check(CLI::IsMember({"cpu", "cuda"}))
      ->capture_default_str();
  command
      .add_option(
          "--offload", o.offload,
          "What may go to the host's memory and back: none, activations, states (of the optimizer) or "
          "all")
      ->check(CLI::IsMember({"none", "activations", "states", "all"}))
      ->capture_default_str();
}

PlanRequest plan_request(const Graph& graph, const BudgetOptions& options, int threads, int micro_batches) {
  const DeviceSpeed speed = speed_of(options, threads);
  PlanRequest request;
  request.device = plan_device(options.backend, threads);
  request.micro_batches = micro_batches;
  request.times = op_times(graph, options, speed);
  request.strategy = options.strategy;
  request.time_limit_seconds = options.time_limit;
  request.budget_bytes = budget_bytes(options.budget, request, graph);
  request.offload = offload_kinds(options.offload);
  request.host_link = host_link(speed, traits_of(request.device).kind);
  return request;
}

void add_plan_options(CLI::App& command, PlanOptions& o) {
  auto* file = command.add_option("--plan", o.file, "Run this plan (plan.json)");
  o.budget.strategy.clear();
  add_budget_options(command, o.budget);
  for (const char* name : {"--budget", "--strategy", "--profile", "--device", "--time-limit", "--offload"})
    command.get_option(name)->excludes(file);
}

Plan choose_plan(const Graph& graph, const PlanOptions& options, int threads, int micro_batches) {
  check_backend(options.budget.backend);
  if (!options.file.empty()) return load_plan_for(options.budget.backend, options.file, graph);
  BudgetOptions budget = options.budget;
  if (budget.strategy.empty()) budget.strategy = budget.budget.empty() ? "keep-all" : "auto";
  const PlanRequest request = plan_request(graph, budget, threads, micro_batches);
  PlanResult result = make_plan(graph, request);
  if (!result.plan)
    throw Error("does not fit", "--budget " + options.budget.budget,
                format_count(result.missing_bytes) + " bytes are missing",
                "the smallest that fits is " + std::to_string(result.smallest_feasible_bytes) + " bytes",
                ExitCode::no);
  return std::move(*result.plan);
}

}  // namespace tidemark::cli
