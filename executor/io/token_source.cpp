#include "executor/io/token_source.h"

#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_file.h"
#include "base/random.h"

namespace tidemark {
namespace {

constexpr const char* kWhat = "cannot read tokens";

template <typename T>
int64_t load(const std::byte* data, int64_t i) {
  T value;
  std::memcpy(&value, data + i * static_cast<int64_t>(sizeof value), sizeof value);
  return static_cast<int64_t>(value);
}

/// The text after "'key':" in the header of a .npy file, a Python dictionary on one line.
std::string_view npy_field(std::string_view header, std::string_view key) {
  const size_t found = header.find("'" + std::string(key) + "'");
  if (found == std::string_view::npos) return {};
  const size_t colon = header.find(':', found);
  if (colon == std::string_view::npos) return {};
  std::string_view rest = header.substr(colon + 1);
  while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
  return rest;
}

}  // namespace

int64_t find_invalid_utf8(std::span<const std::byte> text) {
  const auto at = [&](size_t i) { return i < text.size() ? std::to_integer<uint32_t>(text[i]) : 0u; };
  for (size_t i = 0; i < text.size();) {
    const uint32_t lead = at(i);
    const size_t length = lead < 0x80       ? 1
                          : lead >> 5 == 6  ? 2
                          : lead >> 4 == 14 ? 3
                          : lead >> 3 == 30 ? 4
                                            : 0;
    if (length == 0) return static_cast<int64_t>(i);
    uint32_t point = length == 1 ? lead : lead & (0x7fu >> length);
    for (size_t k = 1; k < length; ++k) {
      if (at(i + k) >> 6 != 2) return static_cast<int64_t>(i);
      point = point << 6 | (at(i + k) & 0x3fu);
    }
    constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};  // by length: nothing written longer
    const bool surrogate = point >= 0xd800 && point <= 0xdfff;
    if (point < kSmallest[length] || point > 0x10ffff || surrogate) return static_cast<int64_t>(i);
    i += length;
  }
  return -1;
}

TokenSource::TokenSource(const std::string& path, int64_t vocabulary)
    : path_(path), file_(std::in_place, path, kWhat), vocabulary_(vocabulary) {
  const std::string extension = std::filesystem::path(path).extension().string();
  if (extension == ".npy")
    open_npy();
  else if (extension == ".bin")
    open_bin();
  else
    open_text();
  if (size_ == 0) throw Error(kWhat, path, "empty", "give a file with text or token ids");
  for (int64_t i = 0; i < size_; ++i) {
    if (raw(i) >= 0 && raw(i) < vocabulary) continue;
    throw Error(
        kWhat, path + ", position " + std::to_string(i),
        "id " + std::to_string(raw(i)) + " is outside the vocabulary of " + std::to_string(vocabulary),
        text_ ? "text is read as bytes: use a model with a vocabulary of 256" : "use the model's tokenizer");
  }
}

TokenSource TokenSource::synthetic(int64_t vocabulary) {
  TokenSource source;
  source.path_ = "synthetic tokens";
  source.vocabulary_ = vocabulary;
  source.storage_ = Storage::random;
  source.size_ = int64_t{1} << 22;
  return source;
}

void TokenSource::open_text() {
  const int64_t invalid = find_invalid_utf8(file_->bytes());
  if (invalid >= 0)
    throw Error(kWhat, path() + ", byte " + std::to_string(invalid), "not UTF-8",
                "convert the text (iconv -t utf-8) or name tokens .bin or .npy");
  text_ = true;
  data_ = file_->bytes().data();
  size_ = static_cast<int64_t>(file_->bytes().size());
}

void TokenSource::open_bin() {
  storage_ = vocabulary_ > 65536 ? Storage::u32 : Storage::u16;
  const std::string sidecar = path() + ".json";
  if (std::filesystem::exists(sidecar)) {
    const nlohmann::json facts = read_json(sidecar, kWhat);
    const std::string dtype = facts.is_object() ? facts.value("dtype", nlohmann::json()).dump() : "";
    if (dtype != "\"uint16\"" && dtype != "\"uint32\"")
      throw Error(kWhat, sidecar + ", dtype", "not a known type", "give \"uint16\" or \"uint32\"");
    storage_ = dtype == "\"uint32\"" ? Storage::u32 : Storage::u16;
  }
  const size_t width = storage_ == Storage::u32 ? 4 : 2;
  if (file_->bytes().size() % width != 0)
    throw Error(kWhat, path(),
                std::to_string(file_->bytes().size()) + " bytes are no whole number of uint" +
                    std::to_string(8 * width),
                "copy it again, or say its dtype in " + sidecar);
  data_ = file_->bytes().data();
  size_ = static_cast<int64_t>(file_->bytes().size() / width);
}

// Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
void TokenSource::open_npy() {
  const auto bytes = file_->bytes();
  const auto bad = [&](const std::string& why) {
    return Error(kWhat, path(), why, "save it with numpy.save as a one-dimensional array of integers");
  };
  const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (all.size() < 12 || all.substr(0, 6) != "\x93NUMPY") throw bad("not a .npy file");
  const bool first = all[6] == 1;
  size_t length = 0;
  for (size_t i = 0; i < (first ? 2u : 4u); ++i)
    length |= size_t{static_cast<uint8_t>(all[8 + i])} << (8 * i);
  const size_t start = first ? 10 : 12;
  if (length > all.size() - start) throw bad("its header is cut off");
  const std::string_view header = all.substr(start, length);

  const std::string_view dtype = npy_field(header, "descr").substr(0, 5);
  size_t width = 0;
  if (dtype == "'|u1'") storage_ = Storage::u8, width = 1;
  if (dtype == "'<u2'") storage_ = Storage::u16, width = 2;
  if (dtype == "'<u4'") storage_ = Storage::u32, width = 4;
  if (dtype == "'<i4'") storage_ = Storage::i32, width = 4;
  if (dtype == "'<i8'") storage_ = Storage::i64, width = 8;
  if (width == 0) throw bad("its elements are not u1, u2, u4, i4 or i8 in little-endian order");
  const std::string_view shape = npy_field(header, "shape");
  uint64_t count = 0;
  size_t digits = 0;
  while (1 + digits < shape.size() && shape[1 + digits] >= '0' && shape[1 + digits] <= '9' && digits < 18)
    count = count * 10 + static_cast<uint64_t>(shape[1 + digits++] - '0');
  if (shape.empty() || shape[0] != '(' || digits == 0 || shape.substr(1 + digits, 2) != ",)")
    throw bad("it has not one dimension");
  const size_t data = start + length;
  if ((all.size() - data) / width != count || (all.size() - data) % width != 0)
    throw bad("its shape says " + std::to_string(count) + " elements, it holds " +
              std::to_string((all.size() - data) / width));
  data_ = bytes.data() + data;
  size_ = static_cast<int64_t>(count);
}

int64_t TokenSource::raw(int64_t i) const {
  switch (storage_) {
    case Storage::u8: return load<uint8_t>(data_, i);
    case Storage::u16: return load<uint16_t>(data_, i);
    case Storage::u32: return load<uint32_t>(data_, i);
    case Storage::i32: return load<int32_t>(data_, i);
    case Storage::i64: return load<int64_t>(data_, i);
    case Storage::random: {
      const uint64_t number = splitmix64(static_cast<uint64_t>(i));
      return number % 100 == 0 ? 0 : static_cast<int64_t>((number >> 8) % static_cast<uint64_t>(vocabulary_));
    }
  }
  throw InternalError("TokenSource: unknown storage");
}

int32_t TokenSource::operator[](int64_t i) const {
  return static_cast<int32_t>(raw(i));
}

std::vector<int64_t> TokenSource::documents(DocumentUnit unit, int32_t separator) const {
  if (unit == DocumentUnit::separator ? separator < 0 : !text_)
    throw Error(kWhat, path(), text_ ? "no separator token is given" : "ids have no lines or paragraphs",
                text_ ? "split text into lines or paragraphs" : "give the separator's id");
  std::vector<int64_t> starts = {0};
  for (int64_t i = 0; i + 1 < size_; ++i) {
    const int32_t token = (*this)[i];
    const bool ends = unit == DocumentUnit::separator ? token == separator
                      : unit == DocumentUnit::line
                          ? token == '\n'
                          : token == '\n' && i > 0 && (*this)[i - 1] == '\n' && (*this)[i + 1] != '\n';
    if (ends) starts.push_back(i + 1);
  }
  return starts;
}

}  // namespace tidemark
