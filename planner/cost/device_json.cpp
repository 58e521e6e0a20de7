#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json_file.h"
#include "planner/cost/device.h"

namespace tidemark {
namespace {

using nlohmann::json;

constexpr char kWhat[] = "cannot read the device's speed";

double positive(const json& value, const std::string& field) {
  if (!value.is_number()) throw Error(kWhat, field, "it is missing or not a number", "give a number");
  if (!(value.get<double>() > 0)) throw Error(kWhat, field, "it is not positive", "give a larger number");
  return value.get<double>();
}

double not_negative(const json& value, const std::string& field) {
  return value.is_number() && value.get<double>() == 0 ? 0 : positive(value, field);
}

int threads_in(const json& value, const std::string& field) {
  if (!value.is_number_integer() || value.get<int64_t>() < 0 || value.get<int64_t>() > 4096)
    throw Error(kWhat, field, "it is not a number of threads",
                "give 1 to 4096, or 0 where it does not matter");
  return value.get<int>();
}

std::vector<MeasuredSize> sizes_in(const json& value, const std::string& field) {
  constexpr char kForm[] = "give [[seconds, flops, bytes, rows, attributes...], ...]";
  if (!value.is_array() || value.empty()) throw Error(kWhat, field, "it is not a list of sizes", kForm);
  std::vector<MeasuredSize> sizes;
  for (const json& row : value) {
    if (!row.is_array() || row.size() < 4)
      throw Error(kWhat, field, "it holds something that is no size", kForm);
    MeasuredSize& size = sizes.emplace_back(MeasuredSize{.seconds = positive(row[0], field), .size = {}});
    for (size_t i = 1; i < row.size(); ++i) size.size.push_back(not_negative(row[i], field));
  }
  return sizes;
}

std::map<std::string, std::vector<MeasuredSize>> kinds_in(const json& value, const std::string& field) {
  if (!value.is_object()) throw Error(kWhat, field, "it is not an object", "see docs/formats.md");
  std::map<std::string, std::vector<MeasuredSize>> kinds;
  for (const auto& [kind, sizes] : value.items()) kinds[kind] = sizes_in(sizes, field + "." + kind);
  return kinds;
}

}  // namespace

DeviceSpeed device_speed_from_json(const json& document, const std::string& where) {
  if (!document.is_object()) throw Error(kWhat, where, "it is not a JSON object", "see docs/formats.md");
  static constexpr const char* kKeys[] = {"flops_per_second",
                                          "bf16_flops_per_second",
                                          "bytes_per_second",
                                          "seconds_per_op",
                                          "host_bytes_per_second",
                                          "threads",
                                          "kinds",
                                          "note"};
  for (const auto& [key, value] : document.items())
    if (std::find(std::begin(kKeys), std::end(kKeys), key) == std::end(kKeys))
      throw Error(kWhat, where + ": " + key, "there is no such key", "see docs/formats.md");
  const auto read = [&](const char* key, auto reader, bool required) {
    const auto found = document.find(key);
    using Result = decltype(reader(document, where));
    if (found == document.end() && !required) return Result{};
    return reader(found == document.end() ? json() : *found, where + ": " + key);
  };
  return {.flops_per_second = read("flops_per_second", positive, true),
          .bf16_flops_per_second = read("bf16_flops_per_second", positive, false),
          .bytes_per_second = read("bytes_per_second", positive, true),
          .seconds_per_op = read("seconds_per_op", not_negative, true),
          .host_bytes_per_second = read("host_bytes_per_second", positive, false),
          .threads = read("threads", threads_in, false),
          .kinds = read("kinds", kinds_in, false)};
}

json to_json(const DeviceSpeed& speed) {
  json document = {{"flops_per_second", speed.flops_per_second},
                   {"bytes_per_second", speed.bytes_per_second},
                   {"seconds_per_op", speed.seconds_per_op}};
  if (speed.bf16_flops_per_second > 0) document["bf16_flops_per_second"] = speed.bf16_flops_per_second;
  if (speed.host_bytes_per_second > 0) document["host_bytes_per_second"] = speed.host_bytes_per_second;
  if (speed.threads > 0) document["threads"] = speed.threads;
  for (const auto& [kind, sizes] : speed.kinds)
    for (const MeasuredSize& m : sizes) {
      json row = {m.seconds};
      for (double n : m.size) row.push_back(n);
      document["kinds"][kind].push_back(std::move(row));
    }
  return document;
}

std::string device_names() {
  std::string names;
  for (const auto& [name, text] : device_descriptions()) names += (names.empty() ? "" : ", ") + name;
  return names;
}

DeviceSpeed device_speed(const std::string& name_or_path) {
  const auto known = device_descriptions().find(name_or_path);
  if (known != device_descriptions().end())
    return device_speed_from_json(parse_json(known->second, known->first, kWhat), known->first);
  if (!std::filesystem::exists(name_or_path))
    throw Error(kWhat, name_or_path, "there is no such file",
                "name one that 'tidemark calibrate' wrote, or one of " + device_names());
  return device_speed_from_json(parse_json(read_text_file(name_or_path, kWhat), name_or_path, kWhat),
                                name_or_path);
}

}  // namespace tidemark
