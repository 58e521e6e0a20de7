#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "base/units.h"
#include "cli/commands.h"
#include "models/model.h"

namespace tidemark::cli {

void add_models(CLI::App& app, ExitCode&) {
  auto* command = app.add_subcommand("models", "List the presets with their exact parameter counts");
  auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "Print JSON");
  command->callback([json] {
    nlohmann::json rows = nlohmann::json::array();
    if (!*json) std::printf("%-22s %-8s %18s %22s\n", "preset", "family", "parameters", "states (16 B each)");
    for (const std::string& name : preset_names()) {
      const auto model = model_from_preset(name);
      const int64_t count = model->parameter_count();
      if (*json)
        rows.push_back({{"name", name},
                        {"family", model->family()},
                        {"parameters", count},
                        {"free_parameters", model->free_parameter_count()}});
      else
        std::printf("%-22s %-8s %18s %22s\n", name.c_str(), model->family().c_str(),
                    format_count(count).c_str(), format_bytes(16 * count).c_str());
    }
    if (*json) std::cout << rows.dump(2) << "\n";
  });
}

}  // namespace tidemark::cli
