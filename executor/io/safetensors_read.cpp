#include <algorithm>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/json_file.h"
#include "executor/io/safetensors.h"

namespace tidemark {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr const char* kWhat = "cannot read tensors";
constexpr const char* kRemedy = "the file is damaged or incomplete: copy it again";
constexpr uint64_t kLongestHeader = 100'000'000;  // the format's limit
constexpr const char* kIndexName = "model.safetensors.index.json";
constexpr const char* kModelName = "model.safetensors";

uint64_t little_endian(std::span<const std::byte> bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < 8; ++i) value |= std::to_integer<uint64_t>(bytes[i]) << (8 * i);
  return value;
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (const int64_t dim : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(dim);
  return text + "]";
}

/// Elements times size, or nothing on overflow.
std::optional<uint64_t> bytes_of(const std::vector<int64_t>& shape, StoredType type) {
  uint64_t bytes = static_cast<uint64_t>(size_of(type));
  for (const int64_t dim : shape)
    if (__builtin_mul_overflow(bytes, static_cast<uint64_t>(dim), &bytes)) return std::nullopt;
  return bytes;
}

struct Entry {
  StoredTensor tensor;
  uint64_t begin = 0, end = 0;
};

Entry parse_entry(const std::string& path, const std::string& name, const json& fields) {
  const auto bad = [&](const std::string& why) {
    return Error(kWhat, path + ", tensor '" + name + "'", why, kRemedy);
  };
  if (!fields.is_object()) throw bad("its header entry is not an object");
  for (const auto& [key, value] : fields.items())
    if (key != "dtype" && key != "shape" && key != "data_offsets") throw bad("unknown key '" + key + "'");
  if (!fields.contains("dtype") || !fields["dtype"].is_string()) throw bad("no 'dtype' string");
  if (!fields.contains("shape") || !fields["shape"].is_array()) throw bad("no 'shape' array");
  if (!fields.contains("data_offsets") || !fields["data_offsets"].is_array()) throw bad("no 'data_offsets'");

  Entry entry;
  entry.tensor.name = name;
  const auto type = stored_type_from(fields["dtype"].get_ref<const std::string&>());
  if (!type) throw bad("unknown dtype " + fields["dtype"].dump());
  entry.tensor.type = *type;
  for (const json& dim : fields["shape"]) {
    if (!dim.is_number_unsigned() || dim.get<uint64_t>() > std::numeric_limits<int64_t>::max())
      throw bad("dimension " + dim.dump() + " is not a non-negative integer");
    entry.tensor.shape.push_back(dim.get<int64_t>());
  }
  const json& offsets = fields["data_offsets"];
  if (offsets.size() != 2 || !offsets[0].is_number_unsigned() || !offsets[1].is_number_unsigned())
    throw bad("'data_offsets' is not two non-negative integers");
  entry.begin = offsets[0].get<uint64_t>();
  entry.end = offsets[1].get<uint64_t>();
  if (entry.begin > entry.end) throw bad("'data_offsets' run backwards");
  const auto bytes = bytes_of(entry.tensor.shape, *type);
  if (!bytes || *bytes != entry.end - entry.begin)
    throw bad("its shape " + shape_text(entry.tensor.shape) + " of " + std::string(name_of(*type)) +
              " does not fill its " + std::to_string(entry.end - entry.begin) + " bytes");
  return entry;
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::string& path) : file_(path, kWhat) {
  const auto bytes = file_.bytes();
  if (bytes.size() < 8) throw Error(kWhat, path, "shorter than a header", kRemedy);
  const uint64_t length = little_endian(bytes);
  if (length > kLongestHeader || length > bytes.size() - 8)
    throw Error(kWhat, path,
                "its header claims " + std::to_string(length) + " bytes, the file has " +
                    std::to_string(bytes.size() - 8),
                kRemedy);
  const auto header = bytes.subspan(8, length);
  parse_header({reinterpret_cast<const char*>(header.data()), header.size()}, bytes.subspan(8 + length));
}

void SafetensorsFile::parse_header(std::string_view header, std::span<const std::byte> data) {
  if (header.empty() || header.front() != '{') throw Error(kWhat, path(), "its header is not JSON", kRemedy);
  const json parsed = parse_json(header, path() + ", header", kWhat);
  std::vector<Entry> entries;
  for (const auto& [name, fields] : parsed.items()) {
    if (name != "__metadata__") {
      entries.push_back(parse_entry(path(), name, fields));
      continue;
    }
    if (!fields.is_object()) throw Error(kWhat, path(), "'__metadata__' is not an object", kRemedy);
    for (const auto& [key, value] : fields.items()) {
      if (!value.is_string())
        throw Error(kWhat, path(), "'__metadata__." + key + "' is not a string", kRemedy);
      metadata_[key] = value.get<std::string>();
    }
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.begin, a.end, a.tensor.name) < std::tie(b.begin, b.end, b.tensor.name);
  });
  uint64_t expected = 0;
  for (Entry& entry : entries) {
    const std::string where = path() + ", tensor '" + entry.tensor.name + "'";
    if (entry.end > data.size())
      throw Error(kWhat, where,
                  "its data ends at byte " + std::to_string(entry.end) + " of " + std::to_string(data.size()),
                  kRemedy);
    if (entry.begin != expected)
      throw Error(kWhat, where,
                  "its data " +
                      std::string(entry.begin < expected ? "overlaps another's" : "leaves a hole before it"),
                  kRemedy);
    expected = entry.end;
    entry.tensor.bytes = data.subspan(entry.begin, entry.end - entry.begin);
    tensors_.push_back(std::move(entry.tensor));
  }
  if (expected != data.size())
    throw Error(kWhat, path(), std::to_string(data.size() - expected) + " bytes past the last tensor",
                kRemedy);
}

TensorReader::TensorReader(const std::string& path) : path_(path) {
  const bool directory = fs::is_directory(path);
  const fs::path index = directory ? fs::path(path) / kIndexName : fs::path(path);
  if (directory ? fs::exists(index) : index.extension() == ".json")
    open_index(index.string());
  else
    add(std::make_unique<SafetensorsFile>(directory ? (fs::path(path) / kModelName).string() : path));
}

void TensorReader::add(std::unique_ptr<SafetensorsFile> file) {
  for (const StoredTensor& tensor : file->tensors())
    if (!tensors_.emplace(tensor.name, tensor).second)
      throw Error(kWhat, file->path() + ", tensor '" + tensor.name + "'", "it is in another shard, too",
                  kRemedy);
  files_.push_back(std::move(file));
}

void TensorReader::open_index(const std::string& index_path) {
  const json index = read_json(index_path, kWhat);
  const auto bad = [&](const std::string& why) { return Error(kWhat, index_path, why, kRemedy); };
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object())
    throw bad("no 'weight_map' object");
  std::map<std::string, std::set<std::string>> names_by_shard;
  for (const auto& [name, shard] : index["weight_map"].items()) {
    if (!shard.is_string()) throw bad("the shard of '" + name + "' is not a file name");
    const auto& file = shard.get_ref<const std::string&>();
    if (file.empty() || fs::path(file).filename() != file)
      throw bad("shard '" + file + "' is not in its folder");
    names_by_shard[file].insert(name);
  }
  for (const auto& [file, names] : names_by_shard) {
    add(std::make_unique<SafetensorsFile>((fs::path(index_path).parent_path() / file).string()));
    std::set<std::string> found;
    for (const StoredTensor& tensor : files_.back()->tensors()) found.insert(tensor.name);
    for (const std::string& name : names)
      if (found.count(name) == 0) throw bad("tensor '" + name + "' is not in " + file);
    for (const std::string& name : found)
      if (names.count(name) == 0) throw bad("tensor '" + name + "' of " + file + " is not in the index");
  }
}

const StoredTensor& TensorReader::require(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end())
    throw Error(kWhat, path_, "no tensor '" + name + "'", "use a file made for this model");
  return found->second;
}

void TensorReader::read(const std::string& name, const TensorType& type, void* out) const {
  const StoredTensor& tensor = require(name);
  const std::string where = path_ + ", tensor '" + name + "'";
  std::vector<int64_t> wanted;
  for (int i = 0; i < type.shape.rank(); ++i) wanted.push_back(type.shape[i]);
  if (tensor.shape != wanted)
    throw Error(kWhat, where,
                "its shape is " + shape_text(tensor.shape) + ", the model's " + shape_text(wanted),
                "use a file made for this model");
  if (!convert(tensor.type, tensor.bytes.data(), type.dtype, static_cast<std::byte*>(out), tensor.elements()))
    throw Error(kWhat, where,
                "its " + std::string(name_of(tensor.type)) + " values do not convert to " +
                    std::string(name_of(type.dtype)),
                "store it as F32, BF16 or F16 (integers: I32)");
}

std::vector<int32_t> TensorReader::read_integers(const std::string& name) const {
  const StoredTensor& tensor = require(name);
  std::vector<int32_t> values(static_cast<size_t>(tensor.elements()));
  if (!convert(tensor.type, tensor.bytes.data(), DType::i32, reinterpret_cast<std::byte*>(values.data()),
               tensor.elements()))
    throw Error(kWhat, path_ + ", tensor '" + name + "'", "not integers of 32 bits",
                "store it as I32 or I64");
  return values;
}

}  // namespace tidemark
