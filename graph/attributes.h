// The constants of an op: small, ordered by name, and exactly representable in JSON.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace tidemark {

using Attribute = std::variant<bool, int64_t, double, std::string, std::vector<double>>;

class Attributes {
 public:
  Attributes() = default;
  Attributes(std::initializer_list<std::pair<const std::string, Attribute>> entries) : entries_(entries) {}

  void set(const std::string& name, Attribute value) { entries_[name] = std::move(value); }
  bool has(const std::string& name) const { return entries_.count(name) != 0; }

  /// Throw Error naming the attribute where it is absent or of another type.
  int64_t integer(const std::string& name) const { return get<int64_t>(name); }
  bool flag(const std::string& name) const { return get<bool>(name); }
  double number(const std::string& name) const { return get<double>(name); }
  const std::string& text(const std::string& name) const { return get<std::string>(name); }
  const std::vector<double>& numbers(const std::string& name) const { return get<std::vector<double>>(name); }

  const std::map<std::string, Attribute>& entries() const { return entries_; }
  bool operator==(const Attributes&) const = default;

 private:
  template <typename T>
  const T& get(const std::string& name) const;

  std::map<std::string, Attribute> entries_;
};

}  // namespace tidemark
