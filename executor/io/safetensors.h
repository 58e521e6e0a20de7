// The safetensors format (https://github.com/huggingface/safetensors): named tensors in one file or in
// shards with an index, read through a memory map and written as a stream.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "executor/io/stored_type.h"
#include "graph/types.h"

namespace tidemark {

struct StoredTensor {
  std::string name;
  StoredType type = StoredType::f32;
  std::vector<int64_t> shape;
  std::span<const std::byte> bytes;  ///< in the map, of any alignment

  int64_t elements() const { return static_cast<int64_t>(bytes.size()) / size_of(type); }
};

/// One file. The constructor checks all of the header: every byte of the data belongs to exactly one
/// tensor, and each tensor's shape and type fill its bytes. Throws Error naming file and tensor.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::string& path);

  const std::string& path() const { return file_.path(); }
  const std::vector<StoredTensor>& tensors() const { return tensors_; }  ///< in the order of their data
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

 private:
  void parse_header(std::string_view header, std::span<const std::byte> data);

  MappedFile file_;
  std::vector<StoredTensor> tensors_;
  std::map<std::string, std::string> metadata_;
};

/// Tensors by name, from a file, an index file (`model.safetensors.index.json`) with its shards, or a
/// directory that holds `model.safetensors` or that index.
class TensorReader {
 public:
  explicit TensorReader(const std::string& path);

  const std::string& path() const { return path_; }
  const std::map<std::string, StoredTensor>& tensors() const { return tensors_; }
  bool has(const std::string& name) const { return tensors_.count(name) != 0; }
  const StoredTensor& require(const std::string& name) const;

  /// Copies a tensor, converted to `type.dtype`, to `out` (type.bytes() bytes). Throws Error where the
  /// tensor is missing, or has another shape or a type that does not convert.
  void read(const std::string& name, const TensorType& type, void* out) const;
  /// All of an integer tensor.
  std::vector<int32_t> read_integers(const std::string& name) const;

 private:
  void open_index(const std::string& index_path);
  void add(std::unique_ptr<SafetensorsFile> file);

  std::string path_;
  std::vector<std::unique_ptr<SafetensorsFile>> files_;
  std::map<std::string, StoredTensor> tensors_;
};

using ByteSink = std::function<void(std::span<const std::byte>)>;

/// A tensor to write. `emit` passes its bytes, in one piece or many, to the sink, so no copy is needed.
struct OutgoingTensor {
  std::string name;
  StoredType type = StoredType::f32;
  std::vector<int64_t> shape;
  std::function<void(const ByteSink&)> emit;

  int64_t bytes() const;
};

/// One that lies whole in memory, and stays there until it is written.
OutgoingTensor outgoing(const std::string& name, const TensorType& type, const void* data);

using TensorMetadata = std::map<std::string, std::string>;

/// Atomic: `path` is the old file or the whole new one. Throws Error naming file and tensor where the
/// disk refuses. Tensors lie in the file by falling alignment, then by name, as the format asks.
void write_safetensors(const std::string& path, std::vector<OutgoingTensor> tensors,
                       const TensorMetadata& metadata = {{"format", "pt"}});

/// `model.safetensors`, or where that would exceed `max_shard_bytes`, `model-00001-of-00003.safetensors`
/// and so on with `model.safetensors.index.json`. A tensor is never split. Returns the files' names.
std::vector<std::string> write_model(const std::string& directory, std::vector<OutgoingTensor> tensors,
                                     int64_t max_shard_bytes);

}  // namespace tidemark
