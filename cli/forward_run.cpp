#include "cli/forward_run.h"

#include "cli/planning.h"
#include "executor/training/decoding.h"
#include "executor/training/density.h"
#include "executor/training/state.h"

namespace tidemark::cli {

void add_forward_options(CLI::App& command, ForwardOptions& o) {
  add_model_choice(command, o.model);
  command.add_option("--weights", o.weights, "The parameters, safetensors: a file or a folder")->required();
  command.add_option("--batch", o.model.batch, "Sequences or images at a time")->capture_default_str();
  command.add_option("--threads", o.model.threads, "Threads; 0: one per processor")->capture_default_str();
}

ForwardRun::ForwardRun(const ForwardOptions& o) : built_(describe(o.model)) {
  built_.batch.inference = true;
  graph_ = model().pixels() > 0 ? density_graph(model(), built_.batch.sequences)
           : o.decodes          ? decoding_graph(model(), built_.batch)
                                : model().build(built_.batch);
  plan_ = choose_plan(graph_, {}, threads_of(o.model.threads));
  runtime_ = std::make_unique<Runtime>(graph_, plan_);
  load_parameters(*runtime_, TensorReader(o.weights));
}

}  // namespace tidemark::cli
