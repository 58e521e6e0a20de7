#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/model_options.h"
#include "graph/serialize.h"

namespace tidemark::cli {
namespace {

struct Options {
  ModelOptions model;
  std::string format = "text";
};

}  // namespace

void add_graph(CLI::App& app, ExitCode&) {
  auto* command = app.add_subcommand("graph", "Print a model's training graph");
  auto o = std::make_shared<Options>();
  add_model_options(*command, o->model);
  command->add_option("--format", o->format, "text, json (docs/formats.md) or dot (Graphviz)")
      ->check(CLI::IsMember({"text", "json", "dot"}))
      ->capture_default_str();
  command->callback([o] {
    const BuiltModel built = build(o->model);
    if (o->format == "json")
      std::cout << to_json(built.training).dump(1) << "\n";
    else if (o->format == "dot")
      write_graphviz(std::cout, built.training);
    else
      write_text(std::cout, built.training);
  });
}

}  // namespace tidemark::cli
