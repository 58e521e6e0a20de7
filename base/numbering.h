// Small numbers for values that come again and again.
#pragma once

#include <cstdint>
#include <functional>
#include <unordered_map>
#include <vector>

namespace tidemark {

/// Numbers from 0, in the order in which values come first. They do not move when the numbering does.
template <typename T, typename Hash = std::hash<T>>
class Numbering {
 public:
  Numbering() = default;
  Numbering(Numbering&&) noexcept = default;
  Numbering& operator=(Numbering&&) noexcept = default;

  uint32_t of(const T& value) {
    const auto [it, is_new] = numbers_.try_emplace(value, static_cast<uint32_t>(values_.size()));
    if (is_new) values_.push_back(&it->first);
    return it->second;
  }
  const T& operator[](uint32_t number) const { return *values_[number]; }
  size_t size() const { return values_.size(); }

 private:
  std::unordered_map<T, uint32_t, Hash> numbers_;
  std::vector<const T*> values_;  ///< in numbers_
};

}  // namespace tidemark
