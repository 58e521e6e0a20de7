#include <iostream>

#include "base/units.h"
#include "cli/commands.h"
#include "cli/keep_inputs.h"
#include "cli/table.h"
#include "profiler/import/import.h"

namespace tidemark::cli {
namespace {

struct Options {
  std::string recording, out, device;
};

void run(const Options& o) {
  keep_inputs(o.out, {o.recording});
  const ImportSummary s = import_recording(o.recording, o.out, o.device);
  std::string others;
  for (const std::string& device : s.devices)
    if (device != s.device) others += (others.empty() ? "; also recorded: " : ", ") + device;
  print_row("source", s.source);
  print_wrapped("device", s.device + others);
  print_row("ops", format_count(s.steps));
  print_row("buffers", format_count(s.buffers));
  print_row("  open at the start", format_count(s.open_at_start));
  print_row("  open at the end", format_count(s.open_at_end));
  if (s.unattributed_bytes > 0) print_row("from before, unknown", exact_bytes(s.unattributed_bytes));
  print_wrapped("next", "tidemark report " + o.out);
}

}  // namespace

void add_import(CLI::App& app, ExitCode&) {
  auto* command = app.add_subcommand("import", "Turn a recording of PyTorch's profilers into a trace");
  auto o = std::make_shared<Options>();
  command
      ->add_option("RECORDING", o->recording, "Kineto trace (.json, .json.gz) or memory snapshot (.pickle)")
      ->required();
  command->add_option("--out", o->out, "Write the trace here (run.tide)")->required();
  command->add_option("--device", o->device,
                      "Whose memory: cpu, cuda:0; the one that allocates most by default");
  command->callback([o] { run(*o); });
}

}  // namespace tidemark::cli
