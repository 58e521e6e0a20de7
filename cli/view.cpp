#include <dlfcn.h>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/companion.h"
#include "cli/keep_inputs.h"
#include "gui/viewer.h"

namespace tidemark::cli {
namespace {

struct Options {
  ViewOptions view;
  std::string size;
  bool arena = false;
};

/// "1600x900".
void read_size(const std::string& text, ViewOptions& view) {
  int end = 0;
  if (std::sscanf(text.c_str(), "%5dx%5d%n", &view.width, &view.height, &end) != 2 ||
      static_cast<size_t>(end) != text.size())
    throw Error("bad usage", "--size", "'" + text + "' is not a size", "write 1600x900");
}

int run_viewer_library(const ViewOptions& options) {
  constexpr const char* kWhat = "cannot open the viewer";
  const std::string path = companion_library("libtidemark_viewer.so");
  if (path.empty())
    throw Error(kWhat, "this build", "it was made without Qt 6 Widgets",
                "install qt6-base-dev, configure with -DTIDEMARK_GUI=ON and build again");
  void* const library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) throw Error(kWhat, path, ::dlerror(), "install libqt6widgets6", ExitCode::failure);
  const auto run = reinterpret_cast<decltype(&run_viewer)>(::dlsym(library, "tidemark_run_viewer"));
  if (!run) throw Error(kWhat, path, "it is not of this build", "build again", ExitCode::failure);
  return run(options);
}

}  // namespace

void add_view(CLI::App& app, ExitCode& status) {
  auto* command = app.add_subcommand("view", "Show a trace, a plan, or both on one timeline");
  auto o = std::make_shared<Options>();
  command->add_option("FILES", o->view.files, "One trace, one plan, or both, in any order")->required();
  auto* screenshot = command->add_option("--screenshot", o->view.screenshot,
                                         "Write a PNG instead of opening a window; needs no display");
  command->add_option("--size", o->size, "Pixels of the window or picture, as 1600x900");
  command->add_flag("--arena", o->arena, "Begin with the arena: address by time");
  command->add_option("--step", o->view.training_step, "Training step to begin with; the last by default");
  screenshot->type_name("PNG");
  command->callback([o, &status] {
    keep_inputs(o->view.screenshot, o->view.files);
    if (!o->size.empty()) read_size(o->size, o->view);
    if (o->arena) o->view.plot = ViewOptions::Plot::arena;
    status = static_cast<ExitCode>(run_viewer_library(o->view));
  });
}

}  // namespace tidemark::cli
