#include "planner/sharding/states.h"

#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "base/units.h"
#include "cli/commands.h"
#include "cli/model_options.h"
#include "cli/table.h"

namespace tidemark::cli {
namespace {

using nlohmann::json;

constexpr ZeroStage kStages[] = {ZeroStage::none, ZeroStage::optimizer, ZeroStage::gradients,
                                 ZeroStage::parameters};

struct Options {
  ModelOptions model;
  std::vector<int64_t> devices = {1, 8, 64};
  bool as_json = false;
};

struct Row {
  std::string name;
  int64_t parameters = 0;
  ModelStates states;
};

Row row_of(ModelOptions options) {
  options.batch = options.length = 1;
  const BuiltModel built = build(options);
  return {built.name, built.training.parameter_count(), model_states(built.training)};
}

json to_json(const Row& row, const std::vector<int64_t>& devices) {
  json shares = json::array();
  for (int64_t n : devices)
    for (ZeroStage stage : kStages) {
      const ModelStates s = sharded_states(row.states, stage, n);
      shares.push_back({{"devices", n},
                        {"zero_stage", static_cast<int>(stage)},
                        {"parameter_bytes", s.parameters},
                        {"gradient_bytes", s.gradients},
                        {"optimizer_bytes", s.optimizer},
                        {"total_bytes", s.total()}});
    }
  return {{"model", row.name}, {"parameters", row.parameters}, {"each_device", shares}};
}

/// One model: each number of devices and stage is a line.
void print_model(const Row& row, const Options& o) {
  print_row("model", row.name + ", " + format_count(row.parameters) + " parameters, " + o.model.dtype);
  print_row("states",
            decimal_bytes(row.states.total()) + " = " + format_count(row.states.total()) + " bytes");
  std::printf("\n%8s %6s %12s %12s %12s %22s\n", "devices", "ZeRO", "parameters", "gradients", "optimizer",
              "bytes on each device");
  for (int64_t n : o.devices)
    for (ZeroStage stage : kStages) {
      if (n == 1 && stage != ZeroStage::none) continue;  // nothing to shard
      const ModelStates s = sharded_states(row.states, stage, n);
      std::printf("%8lld %6d %12s %12s %12s %22s\n", static_cast<long long>(n), static_cast<int>(stage),
                  decimal_bytes(s.parameters).c_str(), decimal_bytes(s.gradients).c_str(),
                  decimal_bytes(s.optimizer).c_str(), format_count(s.total()).c_str());
    }
}

/// Every preset on one line, sharded over the last of the numbers of devices.
void print_presets(const std::vector<Row>& rows, const Options& o) {
  const int64_t n = o.devices.back();
  std::printf("States in %s, on one device and on each of %lld under ZeRO stages 1 to 3\n\n",
              o.model.dtype.c_str(), static_cast<long long>(n));
  std::printf("%-22s %16s %9s %9s %9s %9s\n", "preset", "parameters", "one", "ZeRO-1", "ZeRO-2", "ZeRO-3");
  for (const Row& row : rows) {
    std::printf("%-22s %16s", row.name.c_str(), format_count(row.parameters).c_str());
    for (ZeroStage stage : kStages)
      std::printf(" %9s", decimal_bytes(sharded_states(row.states, stage, n).total()).c_str());
    std::printf("\n");
  }
}

void run(const Options& o) {
  for (int64_t n : o.devices)
    if (n < 1) throw Error("bad usage", "--devices", "is " + std::to_string(n), "use 1 or more");
  std::vector<Row> rows;
  if (const bool all = o.model.preset.empty() && o.model.config.empty(); all) {
    for (const std::string& name : preset_names()) {
      ModelOptions options = o.model;
      options.preset = name;
      rows.push_back(row_of(std::move(options)));
    }
    if (!o.as_json) return print_presets(rows, o);
  } else {
    rows.push_back(row_of(o.model));
    if (!o.as_json) return print_model(rows.front(), o);
  }
  json list = json::array();
  for (const Row& row : rows) list.push_back(to_json(row, o.devices));
  std::cout << json{{"dtype", o.model.dtype}, {"models", list}}.dump(2) << "\n";
}

}  // namespace

void add_states(CLI::App& app, ExitCode&) {
  auto* command =
      app.add_subcommand("states", "Bytes of parameters, gradients and optimizer, whole and under ZeRO");
  auto o = std::make_shared<Options>();
  o->model.dtype = "bf16";
  auto* preset = command->add_option("--model", o->model.preset, "A preset; without: all of them");
  command->add_option("--config", o->model.config, "A Hugging Face style config.json")->excludes(preset);
  command->add_option("--dtype", o->model.dtype, "f32, or bf16 with f32 masters")->capture_default_str();
  command->add_option("--devices", o->devices, "How many share the states, comma-separated")
      ->delimiter(',')
      ->capture_default_str();
  command->add_flag("--json", o->as_json, "Print JSON");
  command->callback([o] { run(*o); });
}

}  // namespace tidemark::cli
