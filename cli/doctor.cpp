#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/machine.h"
#include "cli/table.h"

namespace tidemark::cli {
namespace {

void print(const std::vector<MachineCheck>& checks) {
  for (const MachineCheck& c : checks) {
    print_wrapped(c.name, std::string(name_of(c.status)) + ": " + c.found);
    if (!c.remedy.empty()) print_wrapped("", "-> " + c.remedy);
  }
}

nlohmann::json as_json(const std::vector<MachineCheck>& checks) {
  nlohmann::json rows = nlohmann::json::array();
  for (const MachineCheck& c : checks)
    rows.push_back(
        {{"name", c.name}, {"status", name_of(c.status)}, {"found", c.found}, {"remedy", c.remedy}});
  return {{"checks", rows}};
}

}  // namespace

void add_doctor(CLI::App& app, ExitCode&) {
  auto* command = app.add_subcommand("doctor", "Say what works on this machine, and how to mend the rest");
  auto as_document = std::make_shared<bool>(false);
  command->add_flag("--json", *as_document, "Print JSON");
  command->callback([as_document] {
    const std::vector<MachineCheck> checks = check_machine();
    if (*as_document)
      std::cout << as_json(checks).dump(2) << "\n";
    else
      print(checks);
  });
}

}  // namespace tidemark::cli
