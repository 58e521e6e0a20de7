// From command-line options to a plan: shared by `plan`, `profile`, `train` and `verify`.
#pragma once

#include <string>

#include "cli/model_options.h"
#include "planner/planner.h"

namespace tidemark::cli {

struct BudgetOptions {
  std::string budget;             ///< "300MiB", "40%" of the unplanned peak; empty: none
  std::string strategy = "auto";  ///< as PlanRequest's
  std::string profile;            ///< a trace to take op times from; empty: the model of the device
  std::string device;             ///< as device_speed() takes; empty: a typical CPU, or an H100
  double time_limit = 0;          ///< as PlanRequest's
  std::string backend = "cpu";    ///< the device that the plan is for: cpu or cuda
  std::string offload = "none";   ///< what may go to the host's memory: none, activations, states or all
};

void add_budget_options(CLI::App& command, BudgetOptions& options);

/// The request that the options make of a graph.
PlanRequest plan_request(const Graph& graph, const BudgetOptions& options, int threads, int micro_batches);

/// Where a run's plan comes from: a file, a budget, or neither, which keeps everything.
struct PlanOptions {
  std::string file;
  BudgetOptions budget;
};

void add_plan_options(CLI::App& command, PlanOptions& options);

/// A plan to run here. Throws Error, exit status 1, where nothing fits the budget: it says what is missing
/// and what would fit; 3, where this machine cannot run what it would be for.
Plan choose_plan(const Graph& graph, const PlanOptions& options, int threads, int micro_batches = 1);

}  // namespace tidemark::cli
