#include "planner/cost/device.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace tidemark {
namespace {

double read(const nlohmann::json& json, const char* key, bool may_be_zero, const std::string& where) {
  const std::string field = where + ": " + key;
  const auto found = json.find(key);
  if (found == json.end() || !found->is_number())
    throw Error("cannot read the device's speed", field, "it is missing or not a number", "give a number");
  const double value = found->get<double>();
  if (value < 0 || (value == 0 && !may_be_zero))
    throw Error("cannot read the device's speed", field, "it is not positive", "give a larger number");
  return value;
}

}  // namespace

DeviceSpeed cpu_speed(int threads) {
  const double n = std::max(threads, 1);
  return {.flops_per_second = 70e9 * n, .bytes_per_second = 10e9 * std::min(n, 8.0), .seconds_per_op = 3e-6};
}

DeviceSpeed device_speed_from_json(const nlohmann::json& json, const std::string& where) {
  if (!json.is_object())
    throw Error("cannot read the device's speed", where, "it is not a JSON object", "see docs/formats.md");
  for (const auto& [key, value] : json.items())
    if (key != "flops_per_second" && key != "bytes_per_second" && key != "seconds_per_op")
      throw Error("cannot read the device's speed", where + ": " + key, "there is no such key",
                  "use flops_per_second, bytes_per_second and seconds_per_op");
  return {.flops_per_second = read(json, "flops_per_second", false, where),
          .bytes_per_second = read(json, "bytes_per_second", false, where),
          .seconds_per_op = read(json, "seconds_per_op", true, where)};
}

nlohmann::json to_json(const DeviceSpeed& speed) {
  return {{"flops_per_second", speed.flops_per_second},
          {"bytes_per_second", speed.bytes_per_second},
          {"seconds_per_op", speed.seconds_per_op}};
}

}  // namespace tidemark
