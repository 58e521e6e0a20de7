// Typed reading of a config.json, with errors that name the field.
#pragma once

#include <initializer_list>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"

namespace tidemark {

/// A JSON object and where it came from. A field that is null counts as absent.
class Config {
 public:
  /// Throws Error where `json` is not an object. `prefix` names it within the file ("rope_scaling.").
  Config(const nlohmann::json& json, std::string where, std::string prefix = {});

  const nlohmann::json& value() const { return json_; }
  bool has(const std::string& field) const;

  /// From 1 to `most`. Without fallback the field is required.
  int64_t positive(const std::string& field, std::optional<int64_t> fallback = {},
                   int64_t most = int64_t{1} << 20) const;
  /// From `least` to `most`.
  int64_t integer(const std::string& field, int64_t fallback, int64_t least, int64_t most) const;
  /// A list of them, not empty.
  std::vector<int64_t> integers(const std::string& field, int64_t least, int64_t most) const;
  /// Finite, and within [least, most].
  double number(const std::string& field, std::optional<double> fallback, double least, double most) const;
  bool flag(const std::string& field, bool fallback) const;
  std::string text(const std::string& field, const std::optional<std::string>& fallback = {}) const;
  /// One of `choices`.
  std::string choice(const std::string& field, std::initializer_list<std::string> choices,
                     const std::optional<std::string>& fallback = {}) const;
  std::vector<double> numbers(const std::string& field, size_t count) const;
  Config object(const std::string& field) const;

  /// To throw for a field: "cannot build the model: FILE, FIELD: WHY; REMEDY".
  Error error(const std::string& field, const std::string& why, const std::string& remedy) const;

 private:
  int64_t checked(const nlohmann::json& value, const std::string& field, int64_t least, int64_t most) const;

  const nlohmann::json& json_;
  std::string where_, prefix_;
};

}  // namespace tidemark
