#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "executor/io/safetensors.h"

namespace tidemark {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr const char* kWhat = "cannot write tensors";
constexpr const char* kIndexName = "model.safetensors.index.json";
constexpr const char* kModelName = "model.safetensors";

std::string header_of(const std::vector<OutgoingTensor>& tensors, const TensorMetadata& metadata) {
  ordered_json header = ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  int64_t offset = 0;
  for (const OutgoingTensor& tensor : tensors) {
    header[tensor.name] = {{"dtype", name_of(tensor.type)},
                           {"shape", tensor.shape},
                           {"data_offsets", {offset, offset + tensor.bytes()}}};
    offset += tensor.bytes();
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // keeps the data aligned
  return text;
}

std::string shard_name(size_t number, size_t count) {
  char name[64];
  std::snprintf(name, sizeof name, "model-%05zu-of-%05zu.safetensors", number, count);
  return name;
}

}  // namespace

int64_t OutgoingTensor::bytes() const {
  int64_t bytes = size_of(type);
  for (const int64_t dim : shape) bytes *= dim;
  return bytes;
}

OutgoingTensor outgoing(const std::string& name, const TensorType& type, const void* data) {
  OutgoingTensor tensor{name, stored_type_of(type.dtype), {}, {}};
  for (int i = 0; i < type.shape.rank(); ++i) tensor.shape.push_back(type.shape[i]);
  const std::span bytes(static_cast<const std::byte*>(data), static_cast<size_t>(type.bytes()));
  tensor.emit = [bytes](const ByteSink& sink) { sink(bytes); };
  return tensor;
}

void write_safetensors(const std::string& path, std::vector<OutgoingTensor> tensors,
                       const TensorMetadata& metadata) {
  std::sort(tensors.begin(), tensors.end(), [](const OutgoingTensor& a, const OutgoingTensor& b) {
    return size_of(a.type) != size_of(b.type) ? size_of(a.type) > size_of(b.type) : a.name < b.name;
  });
  for (size_t i = 1; i < tensors.size(); ++i)
    if (tensors[i].name == tensors[i - 1].name) throw InternalError("two tensors named " + tensors[i].name);

  AtomicFile file(path, kWhat);
  const std::string header = header_of(tensors, metadata);
  std::string length(8, '\0');
  for (size_t i = 0; i < 8; ++i) length[i] = static_cast<char>(header.size() >> (8 * i) & 0xff);
  file.write(std::as_bytes(std::span(length)), "header");
  file.write(std::as_bytes(std::span(header)), "header");
  for (const OutgoingTensor& tensor : tensors) {
    int64_t written = 0;
    tensor.emit([&](std::span<const std::byte> bytes) {
      file.write(bytes, "tensor '" + tensor.name + "'");
      written += static_cast<int64_t>(bytes.size());
    });
    if (written != tensor.bytes()) throw InternalError("wrong number of bytes emitted for " + tensor.name);
  }
  file.commit();
}

std::vector<std::string> write_model(const std::string& directory, std::vector<OutgoingTensor> tensors,
                                     int64_t max_shard_bytes) {
  const std::filesystem::path folder(directory);
  std::vector<std::vector<OutgoingTensor>> shards;
  int64_t total = 0, filled = 0;
  for (OutgoingTensor& tensor : tensors) {
    const int64_t bytes = tensor.bytes();
    if (shards.empty() || (filled > 0 && filled + bytes > max_shard_bytes)) {
      shards.emplace_back();
      filled = 0;
    }
    filled += bytes;
    total += bytes;
    shards.back().push_back(std::move(tensor));
  }
  if (shards.size() <= 1) {
    write_safetensors((folder / kModelName).string(),
                      shards.empty() ? std::vector<OutgoingTensor>{} : std::move(shards.front()));
    std::filesystem::remove(folder / kIndexName);  // of an earlier, sharded model
    return {kModelName};
  }
  json index = {{"metadata", {{"total_size", total}}}, {"weight_map", json::object()}};
  std::vector<std::string> files;
  for (size_t i = 0; i < shards.size(); ++i) {
    files.push_back(shard_name(i + 1, shards.size()));
    for (const OutgoingTensor& tensor : shards[i]) index["weight_map"][tensor.name] = files.back();
    write_safetensors((folder / files.back()).string(), std::move(shards[i]));
  }
  files.emplace_back(kIndexName);
  write_text_file((folder / kIndexName).string(), index.dump(2) + "\n", kWhat);
  std::filesystem::remove(folder / kModelName);
  return files;
}

}  // namespace tidemark
