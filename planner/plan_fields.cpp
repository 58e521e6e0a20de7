#include "planner/plan_fields.h"

#include <cmath>

#include "base/error.h"

namespace tidemark::plan_io {

using nlohmann::json;

namespace {

std::string indexed(const char* key, size_t index) {
  return std::string(key) + "[" + std::to_string(index) + "]";
}

}  // namespace

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

std::vector<std::string> Fields::texts(const char* key) const {
  std::vector<std::string> texts;
  for (const json& value : array(key)) {
    if (!value.is_string()) fail(indexed(key, texts.size()), "it is not text");
    texts.push_back(value.get<std::string>());
  }
  return texts;
}

bool Fields::boolean(const char* key) const {
  const json& value = at(key);
  if (!value.is_boolean()) fail(key, "it is neither true nor false");
  return value.get<bool>();
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

double Fields::number_of(const json& value, const std::string& field) const {
  if (!value.is_number()) fail(field, "it is not a number");
  const double number = value.get<double>();
  if (!std::isfinite(number) || number < 0) fail(field, "it is negative or not finite");
  return number;
}

double Fields::number(const char* key) const {
  return number_of(at(key), key);
}

std::vector<double> Fields::numbers(const char* key) const {
  std::vector<double> numbers;
  for (const json& value : array(key)) numbers.push_back(number_of(value, indexed(key, numbers.size())));
  return numbers;
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
  return {array(array_key).at(index), where_ + ": " + indexed(array_key, index)};
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

void expect_plan(const Fields& root) {
  root.expect("format", kFormat, "it is not a Tidemark plan");
  root.expect("version", kVersion, "this version of Tidemark cannot read it");
}

std::vector<double> step_seconds(const Fields& root, const std::array<int32_t, kPhaseCount>& phase_starts,
                                 size_t steps, int micro_batches) {
  std::vector<double> seconds = root.numbers("step_seconds");
  if (seconds.size() != steps) root.fail("step_seconds", "there is not one for each step of the order");
  const auto body = static_cast<size_t>(phase_starts[static_cast<size_t>(Phase::forward)]);
  const auto body_end = static_cast<size_t>(phase_starts[static_cast<size_t>(Phase::optimizer)]);
  double sum = 0;
  for (size_t s = 0; s < steps; ++s) sum += seconds[s] * (body <= s && s < body_end ? micro_batches : 1);
  const double predicted = root.number("predicted_seconds");
  if (std::abs(sum - predicted) > 1e-9 * predicted)
    root.fail("step_seconds", "they do not come to predicted_seconds");
  return seconds;
}

}  // namespace tidemark::plan_io
