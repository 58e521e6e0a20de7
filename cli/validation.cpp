#include "cli/validation.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json_file.h"
#include "cli/checks.h"
#include "executor/io/safetensors.h"
#include "executor/training/state.h"

namespace tidemark::cli {
namespace {

using nlohmann::json;

constexpr const char* kWhat = "cannot save the best weights";
constexpr const char* kCannotResume = "cannot resume";
constexpr int64_t kMostShardBytes = int64_t{5} << 30;

}  // namespace

void add_validation_options(CLI::App& command, ValidationOptions& o) {
  auto* data = command.add_option("--validate", o.data,
                                  "Measure the loss on this data, too, without dropout; of a folder, on its "
                                  "valid part. With --save DIR the best weights go to DIR/best");
  command.add_option("--validate-every", o.every, "Steps between; 0: an epoch")
      ->check(not_negative())
      ->capture_default_str()
      ->needs(data);
  command
      .add_option("--patience", o.patience, "Stop after so many validations without a better one; 0: never")
      ->check(not_negative())
      ->capture_default_str()
      ->needs(data);
}

Validation::Validation(const ValidationOptions& options, const DataOptions& data, const BuiltModel& built,
                       TrainingRun& run, std::string save)
    : built_(built), run_(run), save_(std::move(save)), patience_(options.patience) {
  if (options.data.empty()) return;
  feed_ = make_validation_feed(options.data, data, built, run.runtime());
  const int64_t epoch =
      std::max<int64_t>(1, run.feed().batches_per_epoch / run.runtime().plan().micro_batches);
  every_ = options.every > 0 ? options.every : epoch;
  restore();
}

void Validation::restore() {
  const int64_t done = run_.session().steps_done();
  const std::string path = save_ + "/validation.json";
  if (save_.empty() || done == 0 || !std::filesystem::exists(path)) return;
  try {
    for (const json& row : read_json(path, kCannotResume))
      if (const int64_t step = row.at("step"); step <= done) results_.push_back({step, row.at("loss")});
  } catch (const json::exception&) {
    throw Error(kCannotResume, path, "it is not a list of steps and their losses",
                "delete it to begin a new one");
  }
}

const Validation::Result* Validation::best_result() const {
  const auto best = std::min_element(results_.begin(), results_.end(),
                                     [](const Result& a, const Result& b) { return a.loss < b.loss; });
  return best == results_.end() ? nullptr : &*best;
}

void Validation::measure(Progress& progress) {
  const int64_t step = run_.session().steps_done();
  const double loss = run_.session().validate(feed_.fill, feed_.batches_per_epoch);
  results_.push_back({step, loss});
  const bool is_best = best_result() == &results_.back();
  char text[96];
  std::snprintf(text, sizeof text, "step %lld  validation %.4f%s", static_cast<long long>(step), loss,
                is_best ? "  the best" : "");
  progress.note(text);
  if (save_.empty()) return;
  if (is_best) save_best();
  write_text_file(save_ + "/validation.json", results().dump(1) + "\n", kWhat);
}

void Validation::save_best() const {
  const std::string directory = save_ + "/best";
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) throw Error(kWhat, directory, error.message(), "choose another --save", ExitCode::failure);
  std::vector<OutgoingTensor> tensors;
  for (const TensorSlot& slot : parameter_slots(run_.runtime()))
    tensors.push_back(outgoing(slot.name, slot.type, slot.data));
  write_model(directory, std::move(tensors), kMostShardBytes);
  write_text_file(directory + "/config.json", built_.model->config().dump(2) + "\n", kWhat);
}

bool Validation::exhausted() const {
  const Result* best = best_result();
  return patience_ > 0 && best && &results_.back() - best >= patience_;
}

json Validation::results() const {
  json rows = json::array();
  for (const Result& r : results_) rows.push_back({{"step", r.step}, {"loss", r.loss}});
  return rows;
}

json Validation::best() const {
  const Result* best = best_result();
  return best ? json{{"step", best->step}, {"loss", best->loss}} : json();
}

}  // namespace tidemark::cli
