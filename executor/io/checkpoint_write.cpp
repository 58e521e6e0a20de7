#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "executor/io/checkpoint.h"
#include "executor/io/checkpoint_format.h"

namespace tidemark {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr const char* kWhat = "cannot save the checkpoint";
const std::string kPartial = ".partial-";

[[noreturn]] void fail(const fs::path& path, const std::string& why) {
  throw Error(kWhat, path.string(), why, "check the path, its permissions and the free space",
              ExitCode::failure);
}

std::vector<OutgoingTensor> all_outgoing(const std::vector<TensorSlot>& slots) {
  std::vector<OutgoingTensor> tensors;
  for (const TensorSlot& slot : slots) tensors.push_back(outgoing(slot.name, slot.type, slot.data));
  return tensors;
}

/// A folder under construction; it vanishes unless it is moved to its place.
class PartialFolder {
 public:
  explicit PartialFolder(const fs::path& directory) {
    std::error_code error;
    for (int i = 0; path_.empty() && !error; ++i) {
      const fs::path candidate =
          directory / (kPartial + std::to_string(::getpid()) + "-" + std::to_string(i));
      if (fs::create_directory(candidate, error)) path_ = candidate;
    }
    if (error) fail(directory, error.message());
  }
  ~PartialFolder() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  PartialFolder(const PartialFolder&) = delete;
  PartialFolder& operator=(const PartialFolder&) = delete;

  const fs::path& path() const { return path_; }
  void move_to(const fs::path& target) {
    std::error_code error;
    fs::rename(path_, target, error);
    if (error) fail(target, error.message());
    path_.clear();
  }

 private:
  fs::path path_;
};

void write_files(const fs::path& folder, const CheckpointContents& contents,
                 const CheckpointOptions& options) {
  std::vector<std::string> files =
      write_model(folder.string(), all_outgoing(contents.parameters), options.max_shard_bytes);
  write_safetensors((folder / checkpoint::kOptimizer).string(), all_outgoing(contents.optimizer));
  write_text_file((folder / checkpoint::kConfig).string(), contents.config.dump(2) + "\n", kWhat);
  files.insert(files.end(), {checkpoint::kOptimizer, checkpoint::kConfig});
  json state = {{"format", checkpoint::kFormat},
                {"version", checkpoint::kVersion},
                {"step", contents.progress.step},
                {"seed", contents.progress.seed},
                {"losses", contents.progress.losses},
                {"settings", contents.settings},
                {"files", json::object()}};
  for (const std::string& file : files) state["files"][file] = file_seal((folder / file).string(), kWhat);
  write_text_file((folder / checkpoint::kState).string(), state.dump(1) + "\n", kWhat);
  sync_directory(folder.string(), kWhat);
}

/// A name that no folder has, so that no good checkpoint is ever replaced.
std::string free_name(const fs::path& directory, int64_t step) {
  char name[48];
  std::snprintf(name, sizeof name, "step-%08lld", static_cast<long long>(step));
  std::string free = name;
  for (int i = 2; fs::exists(directory / free); ++i) free = std::string(name) + "-" + std::to_string(i);
  return free;
}

/// Removes all but the listed checkpoints, and what killed writers left behind.
void prune(const fs::path& directory, const std::vector<json>& kept) {
  for (const fs::directory_entry& entry : fs::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    const bool ours = name.rfind("step-", 0) == 0 || name.rfind(kPartial, 0) == 0 ||
                      name.rfind(std::string(checkpoint::kManifest) + ".", 0) == 0;
    const bool listed =
        std::any_of(kept.begin(), kept.end(), [&](const json& k) { return k["name"] == name; });
    std::error_code ignored;  // what cannot be removed now can be at the next save
    if (ours && !listed) fs::remove_all(entry.path(), ignored);
  }
}

}  // namespace

void save_checkpoint(const std::string& directory, const CheckpointContents& contents,
                     const CheckpointOptions& options) {
  const fs::path root(directory);
  std::error_code error;
  fs::create_directories(root, error);
  if (error) fail(root, error.message());
  const fs::path manifest = root / checkpoint::kManifest;
  std::vector<json> kept;
  if (fs::exists(manifest)) kept = checkpoint::read_manifest(manifest.string(), kWhat);

  PartialFolder partial(root);
  write_files(partial.path(), contents, options);
  const json seal = file_seal((partial.path() / checkpoint::kState).string(), kWhat);
  const std::string name = free_name(root, contents.progress.step);
  partial.move_to(root / name);
  sync_directory(directory, kWhat);

  kept.push_back({{"name", name}, {"state", seal}});
  const size_t keep = static_cast<size_t>(std::max(options.keep, 1));
  if (kept.size() > keep) kept.erase(kept.begin(), kept.end() - static_cast<std::ptrdiff_t>(keep));
  const json document = {
      {"format", checkpoint::kFormat}, {"version", checkpoint::kVersion}, {"checkpoints", kept}};
  write_text_file(manifest.string(), document.dump(1) + "\n", kWhat);  // from here on it is the current one
  prune(root, kept);
}

}  // namespace tidemark
