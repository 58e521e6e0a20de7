// A field of a JSON document, read with errors that say which.
#pragma once

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace tidemark::graph_io {

/// All throw Error naming the field where it is missing, of another type, or holds what is not asked for.
class Field {
 public:
  Field(const nlohmann::json& value, std::string path) : value_(value), path_(std::move(path)) {}

  Field operator[](const char* key) const;
  bool has(const char* key) const { return value_.is_object() && value_.contains(key); }
  /// The field is an object with these keys and no others; some may be missing.
  void expect_only(std::initializer_list<const char*> keys) const;

  std::vector<Field> items() const;
  std::string text() const;
  int64_t integer() const;
  double number() const;
  bool flag() const;

  const nlohmann::json& raw() const { return value_; }
  const std::string& path() const { return path_; }
  [[noreturn]] void fail(const std::string& why, const std::string& remedy = {}) const;

 private:
  const nlohmann::json& value_;
  std::string path_;
};

}  // namespace tidemark::graph_io
