#include "planner/plan_fields.h"

#include <cmath>

#include "base/error.h"

namespace tidemark::plan_io {

using nlohmann::json;

Fields::Fields(const json& object, std::string where) : json_(object), where_(std::move(where)) {
  if (!json_.is_object()) throw Error(kReading, where_, "it is not a JSON object", "make the plan again");
}

void Fields::fail(const std::string& field, const std::string& why, const std::string& remedy) const {
  throw Error(kReading, where_ + ": " + field, why, remedy);
}

const json& Fields::at(const char* key) const {
  known_.insert(key);
  const auto found = json_.find(key);
  if (found == json_.end()) fail(key, "it is missing");
  return *found;
}

std::string Fields::text(const char* key) const {
  const json& value = at(key);
  if (!value.is_string()) fail(key, "it is not text");
  return value.get<std::string>();
}

int64_t Fields::integer(const char* key, int64_t least, int64_t most) const {
  const json& value = at(key);
  if (!value.is_number_integer()) fail(key, "it is not a whole number");
  const bool huge = value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX);
  const int64_t number = huge ? 0 : value.get<int64_t>();
  if (huge || number < least || number > most)
    fail(key, "it is not between " + std::to_string(least) + " and " + std::to_string(most));
  return number;
}

double Fields::number(const char* key) const {
  const json& value = at(key);
  if (!value.is_number()) fail(key, "it is not a number");
  const double number = value.get<double>();
  if (!std::isfinite(number) || number < 0) fail(key, "it is negative or not finite");
  return number;
}

const json& Fields::array(const char* key) const {
  const json& value = at(key);
  if (!value.is_array()) fail(key, "it is not a list");
  return value;
}

Fields Fields::object(const char* key) const {
  return {at(key), where_ + ": " + key};
}

Fields Fields::element(const char* array_key, size_t index) const {
  return {array(array_key).at(index), where_ + ": " + array_key + "[" + std::to_string(index) + "]"};
}

void Fields::expect(const char* key, const json& value, const std::string& why) const {
  const json& found = at(key);
  if (found != value || found.is_number_float() != value.is_number_float())
    fail(key, "is " + found.dump(-1, ' ', false, json::error_handler_t::replace).substr(0, 60) + ": " + why);
}

void Fields::finish() const {
  for (const auto& [key, value] : json_.items())
    if (!known_.contains(key)) fail(key, "there is no such field in this version");
}

}  // namespace tidemark::plan_io
