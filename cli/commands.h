// The subcommands. Each add_… registers one and runs it from its callback; `status` is what the process
// will exit with.
#pragma once

#include <CLI/CLI.hpp>

#include "base/error.h"

namespace tidemark::cli {

void add_models(CLI::App& app, ExitCode& status);
void add_states(CLI::App& app, ExitCode& status);
void add_graph(CLI::App& app, ExitCode& status);
void add_profile(CLI::App& app, ExitCode& status);
void add_report(CLI::App& app, ExitCode& status);
void add_export(CLI::App& app, ExitCode& status);
void add_import(CLI::App& app, ExitCode& status);
void add_plan(CLI::App& app, ExitCode& status);
void add_train(CLI::App& app, ExitCode& status);
void add_evaluate(CLI::App& app, ExitCode& status);
void add_sample(CLI::App& app, ExitCode& status);
void add_verify(CLI::App& app, ExitCode& status);
void add_calibrate(CLI::App& app, ExitCode& status);
void add_doctor(CLI::App& app, ExitCode& status);
void add_view(CLI::App& app, ExitCode& status);
void add_arena(CLI::App& app, ExitCode& status);

}  // namespace tidemark::cli
