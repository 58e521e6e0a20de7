#include "planner/plan_fields.h"

#include <algorithm>
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

std::vector<Phase> step_phases(const Fields& root, size_t steps) {
  std::vector<Phase> phases;
  for (const std::string& name : root.texts("phases")) {
    const auto known = std::find(kPhaseNames.begin(), kPhaseNames.end(), name);
    if (known == kPhaseNames.end()) root.fail(indexed("phases", phases.size()), "there is no such phase");
    phases.push_back(static_cast<Phase>(known - kPhaseNames.begin()));
  }
  if (phases.size() != steps) root.fail("phases", "there is not one for each step of the order");
  return phases;
}

std::vector<double> step_seconds(const Fields& root, const std::vector<Phase>& phases, int micro_batches) {
  std::vector<double> seconds = root.numbers("step_seconds");
  if (seconds.size() != phases.size())
    root.fail("step_seconds", "there is not one for each step of the order");
  double sum = root.number("copy_seconds");
  for (size_t s = 0; s < phases.size(); ++s) sum += seconds[s] * (in_body(phases[s]) ? micro_batches : 1);
  const double predicted = root.number("predicted_seconds");
  if (std::abs(sum - predicted) > 1e-9 * predicted)
    root.fail("step_seconds", "they and copy_seconds do not come to predicted_seconds");
  return seconds;
}

}  // namespace tidemark::plan_io
