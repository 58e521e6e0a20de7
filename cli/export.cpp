#include <iostream>

#include "base/units.h"
#include "cli/commands.h"
#include "cli/keep_inputs.h"
#include "profiler/export/chrome_trace.h"

namespace tidemark::cli {
namespace {

struct Options {
  std::string trace, out;
};

void run(const Options& o) {
  keep_inputs(o.out, {o.trace});
  const Trace trace(o.trace);
  const ExportedEvents events = export_chrome_trace(trace, o.out);
  std::cout << o.out << ": " << format_count(events.ops) << " ops, " << format_count(events.lives)
            << " lives of buffers; open it in ui.perfetto.dev\n";
  if (!trace.damage().empty())
    std::cout << "The trace is damaged: " << trace.damage() << "; what comes before it was exported.\n";
}

}  // namespace

void add_export(CLI::App& app, ExitCode&) {
  auto* command = app.add_subcommand("export", "Write a trace for Perfetto or chrome://tracing");
  auto o = std::make_shared<Options>();
  command->add_option("TRACE", o->trace, "A trace (run.tide)")->required();
  command->add_option("--out", o->out, "Chrome trace events (JSON); gzipped if the name ends in .gz")
      ->required();
  command->callback([o] { run(*o); });
}

}  // namespace tidemark::cli
