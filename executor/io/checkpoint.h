// Training state on disk, such that a kill at any moment leaves the last good one.
//
//     DIR/checkpoint.json            names the current step's folder; replaced atomically, last
//     DIR/step-00000120/config.json
//                      /model.safetensors       parameters, as the model's users expect them
//                      /optimizer.safetensors   moments and master weights
//                      /training_state.json     step, seed, losses, settings; size and CRC-32 of the others
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "executor/io/safetensors.h"

namespace tidemark {

struct TensorSlot {
  std::string name;
  TensorType type;
  void* data = nullptr;
};

struct TrainingProgress {
  int64_t step = 0;  ///< steps done; data and dropout depend on the seed and the step alone
  uint64_t seed = 0;
  std::vector<double> losses;  ///< of the steps done; what is not finite comes back as NaN
};

struct CheckpointContents {
  const nlohmann::json& config;    ///< of the model
  const nlohmann::json& settings;  ///< of the run: what a resumed one must agree with
  TrainingProgress progress;
  std::vector<TensorSlot> parameters;
  std::vector<TensorSlot> optimizer;
};

struct CheckpointOptions {
  int keep = 2;  ///< newest checkpoints that stay
  int64_t max_shard_bytes = int64_t{5} << 30;
};

/// Returns when the checkpoint is on the disk. Throws Error where the disk refuses; the last one stays.
void save_checkpoint(const std::string& directory, const CheckpointContents& contents,
                     const CheckpointOptions& options = {});

/// A checkpoint opened for reading: DIR's current one, or the one in DIR/step-…. Checks every file's size
/// and checksum; throws Error naming the file that is missing or damaged, and the older one to take.
class Checkpoint {
 public:
  explicit Checkpoint(const std::string& path);
  ~Checkpoint();
  Checkpoint(const Checkpoint&) = delete;
  Checkpoint& operator=(const Checkpoint&) = delete;

  const std::string& directory() const { return directory_; }  ///< with the step's name
  const TrainingProgress& progress() const { return progress_; }
  const nlohmann::json& settings() const { return *settings_; }
  nlohmann::json config() const;

  /// Fill every slot, bit by bit. Throw Error where names, shapes or types are not those that were saved.
  void restore_parameters(const std::vector<TensorSlot>& slots) const;
  void restore_optimizer(const std::vector<TensorSlot>& slots) const;

 private:
  void read_state();

  std::string directory_, remedy_;
  TrainingProgress progress_;
  std::unique_ptr<nlohmann::json> settings_;
};

}  // namespace tidemark
