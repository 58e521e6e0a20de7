#include <cmath>

#include "base/units.h"
#include "cli/checks.h"
#include "cli/commands.h"
#include "cli/forward_run.h"
#include "cli/keep_inputs.h"
#include "cli/table.h"
#include "executor/io/png.h"
#include "executor/training/density.h"

namespace tidemark::cli {
namespace {

struct Options {
  ForwardOptions forward;
  uint64_t seed = 0;
  int64_t width = 0;
  int64_t columns = 10;
  int64_t scale = 2;
  std::string out;
};

int64_t width_of(const Options& o, int64_t pixels) {
  const int64_t width =
      o.width > 0 ? o.width : std::llround(std::floor(std::sqrt(static_cast<double>(pixels))));
  if (pixels % width != 0)
    throw Error("bad usage", "--width " + std::to_string(width),
                "an image of " + std::to_string(pixels) + " pixels has no such rows", "give its width");
  return width;
}

void run(const Options& o) {
  keep_inputs(o.out, {o.forward.model.config, o.forward.weights});
  ForwardRun forward(o.forward);
  const int64_t pixels = forward.model().pixels();
  if (pixels == 0)
    throw Error("cannot sample", forward.built().name, "it is no model of images",
                "use one of fvsbn, nade or made");
  const int64_t width = width_of(o, pixels);
  const std::vector<float> images = sample_images(forward.runtime(), forward.model(), o.seed);
  write_image_grid(o.out, images, pixels / width, width, o.columns, o.scale);
  print_row("samples", format_count(o.forward.model.batch) + " images, " + o.out);
}

}  // namespace

void add_sample(CLI::App& app, ExitCode&) {
  auto* command = app.add_subcommand("sample", "Draw images from a trained model");
  auto o = std::make_shared<Options>();
  o->forward.model.batch = 100;
  add_forward_options(*command, o->forward);
  command->get_option("--batch")->description("Images to draw");
  command->add_option("--seed", o->seed, "Of the images")->capture_default_str();
  command->add_option("--width", o->width, "Pixels in a row of an image; 0: it is a square")
      ->check(not_negative());
  command->add_option("--columns", o->columns, "Images in a row of the picture")
      ->check(positive())
      ->capture_default_str();
  command->add_option("--scale", o->scale, "Side of a pixel in the picture")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  command->add_option("--out", o->out, "The picture (samples.png)")->required();
  command->callback([o] { run(*o); });
}

}  // namespace tidemark::cli
