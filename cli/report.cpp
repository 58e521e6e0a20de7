#include <iostream>

#include "cli/commands.h"
#include "profiler/report.h"

namespace tidemark::cli {

void add_report(CLI::App& app, ExitCode&) {
  auto* command = app.add_subcommand("report", "Say what fills the memory in a recorded run");
  struct Options {
    std::string trace;
    bool as_json = false;
  };
  auto o = std::make_shared<Options>();
  command->add_option("TRACE", o->trace, "A trace (run.tide)")->required();
  command->add_flag("--json", o->as_json, "Print JSON");
  command->callback([o] {
    const Trace trace(o->trace);
    const Attribution attribution = attribute(trace);
    if (o->as_json)
      std::cout << report_json(trace, attribution).dump(2) << "\n";
    else
      print_report(std::cout, trace, attribution);
  });
}

}  // namespace tidemark::cli
