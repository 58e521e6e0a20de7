#include "cli/train_checkpoints.h"

#include "base/error.h"
#include "executor/training/state.h"

namespace tidemark::cli {
namespace {

using nlohmann::json;

constexpr const char* kNewRun = "give the same, or start a new run from its weights with --weights";

void check_same(const json& saved, const json& now, const std::string& where) {
  json keys = saved;
  keys.update(now);
  for (const auto& [key, unused] : keys.items()) {
    const json before = saved.value(key, json()), after = now.value(key, json());
    if (before != after)
      throw Error("cannot resume", where + ", " + key,
                  "it was " + before.dump() + ", in this run it is " + after.dump(), kNewRun);
  }
}

}  // namespace

void check_same_run(const Checkpoint& checkpoint, const json& settings, const json& config, uint64_t seed) {
  check_same(checkpoint.config(), config, checkpoint.directory() + "/config.json");
  json saved = checkpoint.settings(), now = settings;
  saved["seed"] = checkpoint.progress().seed;
  now["seed"] = seed;
  check_same(saved, now, checkpoint.directory() + "/training_state.json");
}

std::vector<double> resume(const Checkpoint& checkpoint, TrainingRun& run) {
  checkpoint.restore_parameters(parameter_slots(run.runtime()));
  checkpoint.restore_optimizer(optimizer_slots(run.runtime()));
  run.session().set_steps_done(checkpoint.progress().step);
  return checkpoint.progress().losses;
}

void save(const std::string& directory, const json& settings, const json& config, uint64_t seed,
          const std::vector<double>& losses, TrainingRun& run) {
  const TrainingProgress progress{run.session().steps_done(), seed, losses};
  save_checkpoint(directory, {config, settings, progress, parameter_slots(run.runtime()),
                              optimizer_slots(run.runtime())});
}

}  // namespace tidemark::cli
