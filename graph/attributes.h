// The constants of an op: small, ordered by name, and exactly representable in JSON.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace tidemark {

using Attribute = std::variant<bool, int64_t, double, std::string, std::vector<double>>;

class Attributes {
 public:
  /// Found by a string_view, so that a look-up allocates nothing.
  using Entries = std::map<std::string, Attribute, std::less<>>;

  Attributes() = default;
  Attributes(std::initializer_list<std::pair<const std::string, Attribute>> entries) : entries_(entries) {}

  void set(const std::string& name, Attribute value) { entries_[name] = std::move(value); }
  bool has(std::string_view name) const { return entries_.find(name) != entries_.end(); }

  /// Throw Error naming the attribute where it is absent or of another type.
  int64_t integer(std::string_view name) const { return get<int64_t>(name); }
  bool flag(std::string_view name) const { return get<bool>(name); }
  double number(std::string_view name) const { return get<double>(name); }
  const std::string& text(std::string_view name) const { return get<std::string>(name); }
  const std::vector<double>& numbers(std::string_view name) const { return get<std::vector<double>>(name); }

  const Entries& entries() const { return entries_; }
  bool operator==(const Attributes&) const = default;

 private:
  template <typename T>
  const T& get(std::string_view name) const;

  Entries entries_;
};

}  // namespace tidemark
