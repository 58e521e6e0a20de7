#include <filesystem>
#include <limits>

#include "executor/io/checkpoint.h"
#include "executor/io/checkpoint_format.h"

namespace tidemark {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr const char* kWhat = "cannot resume";

void restore(const TensorReader& reader, const std::vector<TensorSlot>& slots) {
  for (const TensorSlot& slot : slots) {
    const StoredTensor& tensor = reader.require(slot.name);
    if (tensor.type != stored_type_of(slot.type.dtype))
      throw Error(kWhat, reader.path() + ", tensor '" + slot.name + "'",
                  "saved as " + std::string(name_of(tensor.type)) + ", this run has " +
                      std::string(name_of(slot.type.dtype)),
                  "resume with the dtype of the run that saved it");
    reader.read(slot.name, slot.type, slot.data);
  }
  if (reader.tensors().size() != slots.size())
    throw Error(kWhat, reader.path(),
                std::to_string(reader.tensors().size()) + " tensors were saved, this run has " +
                    std::to_string(slots.size()),
                "resume with the model and optimizer of the run that saved it");
}

}  // namespace

Checkpoint::Checkpoint(const std::string& path) : directory_(path), remedy_("take another checkpoint") {
  const fs::path manifest = fs::path(path) / checkpoint::kManifest;
  if (fs::exists(manifest)) {
    const auto listed = checkpoint::read_manifest(manifest.string(), kWhat);
    directory_ = (fs::path(path) / listed.back()["name"].get<std::string>()).string();
    if (listed.size() > 1)
      remedy_ = "resume from " +
                (fs::path(path) / listed[listed.size() - 2]["name"].get<std::string>()).string() + " instead";
    const std::string state = (fs::path(directory_) / checkpoint::kState).string();
    if (file_seal(state, kWhat) != listed.back()["state"])
      throw Error(kWhat, state, "its checksum is wrong", remedy_);
  } else if (!fs::exists(fs::path(path) / checkpoint::kState)) {
    throw Error(kWhat, path, "no checkpoint there", "name the directory given to --save");
  }
  read_state();
}

Checkpoint::~Checkpoint() = default;

void Checkpoint::read_state() {
  const std::string path = (fs::path(directory_) / checkpoint::kState).string();
  const json state = read_json(path, kWhat);
  const auto bad = [&](const std::string& field) {
    return Error(kWhat, path + ", " + field, "missing or wrong", remedy_);
  };
  const auto field = [&](const char* name, auto valid) -> const json& {
    const auto found = state.find(name);
    if (found == state.end() || !valid(*found)) throw bad(name);
    return *found;
  };
  const auto unsigned_number = [](const json& j) { return j.is_number_unsigned(); };
  if (!state.is_object()) throw bad("format");
  field("format", [](const json& j) { return j == checkpoint::kFormat; });
  field("version", [](const json& j) { return j == checkpoint::kVersion; });
  progress_.step = field("step", unsigned_number).get<int64_t>();
  progress_.seed = field("seed", unsigned_number).get<uint64_t>();
  for (const json& loss : field("losses", [](const json& j) { return j.is_array(); })) {
    if (!loss.is_number() && !loss.is_null()) throw bad("losses");
    progress_.losses.push_back(loss.is_null() ? std::numeric_limits<double>::quiet_NaN()
                                              : loss.get<double>());
  }
  settings_ = std::make_unique<json>(field("settings", [](const json&) { return true; }));
  for (const auto& [name, seal] : field("files", [](const json& j) { return j.is_object(); }).items()) {
    const std::string file = (fs::path(directory_) / name).string();
    if (!fs::exists(file)) throw Error(kWhat, file, "missing", remedy_);
    if (file_seal(file, kWhat) != seal) throw Error(kWhat, file, "its checksum is wrong", remedy_);
  }
}

json Checkpoint::config() const {
  return read_json((fs::path(directory_) / checkpoint::kConfig).string(), kWhat);
}

void Checkpoint::restore_parameters(const std::vector<TensorSlot>& slots) const {
  restore(TensorReader(directory_), slots);
}

void Checkpoint::restore_optimizer(const std::vector<TensorSlot>& slots) const {
  restore(TensorReader((fs::path(directory_) / checkpoint::kOptimizer).string()), slots);
}

}  // namespace tidemark
