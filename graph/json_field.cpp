#include "graph/json_field.h"

#include <algorithm>

#include "base/error.h"

namespace tidemark::graph_io {

void Field::fail(const std::string& why, const std::string& remedy) const {
  throw Error("bad graph", path_, why, remedy);
}

Field Field::operator[](const char* key) const {
  if (!has(key)) fail(std::string("the field '") + key + "' is missing");
  return {value_.at(key), path_ + "." + key};
}

void Field::expect_only(std::initializer_list<const char*> keys) const {
  if (!value_.is_object()) fail("is not an object");
  for (const auto& [name, value] : value_.items())
    if (std::none_of(keys.begin(), keys.end(), [&, &key = name](const char* known) { return key == known; }))
      fail("there is no field " + nlohmann::json(name).dump() + " here", "docs/formats.md lists them");
}

std::vector<Field> Field::items() const {
  if (!value_.is_array()) fail("is not a list");
  std::vector<Field> out;
  for (size_t i = 0; i < value_.size(); ++i)
    out.emplace_back(value_[i], path_ + "[" + std::to_string(i) + "]");
  return out;
}

std::string Field::text() const {
  if (!value_.is_string()) fail("is not a string");
  const auto& text = value_.get_ref<const std::string&>();
  if (std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }))
    fail("has control characters");
  return text;
}

int64_t Field::integer() const {
  if (!value_.is_number_integer()) fail("is not an integer below 2^63");
  if (value_.is_number_unsigned() && value_.get<uint64_t>() > INT64_MAX) fail("is not an integer below 2^63");
  return value_.get<int64_t>();
}

double Field::number() const {
  if (!value_.is_number()) fail("is not a number");
  return value_.get<double>();
}

bool Field::flag() const {
  if (!value_.is_boolean()) fail("is neither true nor false");
  return value_.get<bool>();
}

}  // namespace tidemark::graph_io
