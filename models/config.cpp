#include "models/config.h"

#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>

namespace tidemark {

using nlohmann::json;

Config::Config(const nlohmann::json& object, std::string where, std::string prefix)
    : json_(object), where_(std::move(where)), prefix_(std::move(prefix)) {
  if (json_.is_object()) return;
  const std::string place = prefix_.empty() ? where_ : where_ + ", " + prefix_.substr(0, prefix_.size() - 1);
  throw Error("cannot build the model", place, "not a JSON object but " + std::string(json_.type_name()),
              "give the fields of a config.json");
}

Error Config::error(const std::string& field, const std::string& why, const std::string& remedy) const {
  return Error("cannot build the model", where_ + ", " + prefix_ + field, why, remedy);
}

bool Config::has(const std::string& field) const {
  const auto found = json_.find(field);
  return found != json_.end() && !found->is_null();
}

int64_t Config::checked(const json& value, const std::string& field, int64_t least, int64_t most) const {
  const std::string range = "give an integer from " + std::to_string(least) + " to " + std::to_string(most);
  if (!value.is_number_integer()) throw error(field, value.dump() + " is not an integer", range);
  const bool huge = value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX);
  if (huge || value.get<int64_t>() < least || value.get<int64_t>() > most)
    throw error(field, value.dump() + " is out of range", range);
  return value.get<int64_t>();
}

int64_t Config::positive(const std::string& field, std::optional<int64_t> fallback, int64_t most) const {
  if (has(field)) return checked(json_[field], field, 1, most);
  if (fallback) return *fallback;
  throw error(field, "missing", "give an integer from 1 to " + std::to_string(most));
}

int64_t Config::integer(const std::string& field, int64_t fallback, int64_t least, int64_t most) const {
  return has(field) ? checked(json_[field], field, least, most) : fallback;
}

std::vector<int64_t> Config::integers(const std::string& field, int64_t least, int64_t most) const {
  const std::string remedy =
      "give a list of integers from " + std::to_string(least) + " to " + std::to_string(most);
  if (!has(field)) throw error(field, "missing", remedy);
  const json& list = json_[field];
  if (!list.is_array() || list.empty())
    throw error(field, list.is_array() ? "it is empty" : "not an array", remedy);
  std::vector<int64_t> values;
  for (const json& value : list) values.push_back(checked(value, field, least, most));
  return values;
}

double Config::number(const std::string& field, std::optional<double> fallback, double least,
                      double most) const {
  if (!has(field)) {
    if (fallback) return *fallback;
    throw error(field, "missing", "give a number");
  }
  const json& value = json_[field];
  if (!value.is_number()) throw error(field, value.dump() + " is not a number", "give a number");
  const double number = value.get<double>();
  if (!std::isfinite(number) || number < least || number > most)
    throw error(field, value.dump() + " is out of range",
                "give a number from " + json(least).dump() + " to " + json(most).dump());
  return number;
}

bool Config::flag(const std::string& field, bool fallback) const {
  if (!has(field)) return fallback;
  if (!json_[field].is_boolean())
    throw error(field, json_[field].dump() + " is not a boolean", "give true or false");
  return json_[field].get<bool>();
}

std::string Config::text(const std::string& field, const std::optional<std::string>& fallback) const {
  if (!has(field)) {
    if (fallback) return *fallback;
    throw error(field, "missing", "give a string");
  }
  if (!json_[field].is_string())
    throw error(field, json_[field].dump() + " is not a string", "give a string");
  return json_[field].get<std::string>();
}

std::string Config::choice(const std::string& field, std::initializer_list<std::string> choices,
                           const std::optional<std::string>& fallback) const {
  std::string list;
  for (const std::string& choice : choices) list += (list.empty() ? "" : ", ") + choice;
  if (!has(field) && !fallback) throw error(field, "missing", "give one of: " + list);
  std::string value = text(field, fallback);
  for (const std::string& choice : choices)
    if (value == choice) return value;
  throw error(field, "'" + value + "' is not supported", "give one of: " + list);
}

std::vector<double> Config::numbers(const std::string& field, size_t count) const {
  const std::string remedy = "give " + std::to_string(count) + " positive numbers";
  if (!has(field)) throw error(field, "missing", remedy);
  const json& list = json_[field];
  if (!list.is_array() || list.size() != count)
    throw error(field,
                list.is_array() ? "it has " + std::to_string(list.size()) + " numbers" : "not an array",
                remedy);
  std::vector<double> values;
  for (const json& value : list) {
    if (!value.is_number() || !(value.get<double>() > 0))
      throw error(field, value.dump() + " is not a positive number", remedy);
    values.push_back(value.get<double>());
  }
  return values;
}

Config Config::object(const std::string& field) const {
  if (!has(field)) throw error(field, "missing", "give an object");
  return Config(json_[field], where_, prefix_ + field + ".");
}

}  // namespace tidemark
