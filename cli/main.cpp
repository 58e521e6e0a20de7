// The `tidemark` command.
#include <csignal>
#include <iostream>

#include "cli/commands.h"
#include "cli/help.h"

int main(int argc, char** argv) {
  using namespace tidemark;
  std::signal(SIGXFSZ, SIG_IGN);  // a file at its size limit is an error to report, not the end
  CLI::App app("Profiles, plans and executes the memory of neural-network training.", "tidemark");
  app.require_subcommand(1);
  app.set_version_flag("--version", TIDEMARK_VERSION);
  app.formatter(std::make_shared<cli::HelpFormatter>());
  app.footer("Exit status: 0 done; 1 an honest no; 2 bad usage or input; 3 a failure while\nrunning.");

  ExitCode status = ExitCode::ok;
  cli::add_models(app, status);
  cli::add_states(app, status);
  cli::add_profile(app, status);
  cli::add_report(app, status);
  cli::add_export(app, status);
  cli::add_import(app, status);
  cli::add_plan(app, status);
  cli::add_train(app, status);
  cli::add_evaluate(app, status);
  cli::add_sample(app, status);
  cli::add_verify(app, status);
  cli::add_arena(app, status);
  cli::add_calibrate(app, status);
  cli::add_doctor(app, status);
  cli::add_view(app, status);
  cli::add_graph(app, status);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {  // --help, --version
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    std::cerr << "tidemark: bad usage: command line: " << e.what() << "; see 'tidemark --help'\n";
    return static_cast<int>(ExitCode::usage);
  } catch (const Error& e) {
    std::cout.flush();
    std::cerr << "tidemark: " << e.what() << "\n";
    return static_cast<int>(e.code());
  } catch (const std::bad_alloc&) {
    std::cerr
        << "tidemark: out of memory: this machine: an allocation failed; use a smaller model or batch\n";
    return static_cast<int>(ExitCode::failure);
  } catch (const std::exception& e) {
    std::cerr << "tidemark: internal error: " << e.what() << "; please report it\n";
    return static_cast<int>(ExitCode::failure);
  }
  std::cout.flush();
  if (!std::cout || std::fflush(stdout) != 0) {
    std::cerr << "tidemark: cannot write the results: standard output: it refused them; free some space\n";
    return static_cast<int>(ExitCode::failure);
  }
  return static_cast<int>(status);
}
