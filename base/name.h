// Names in tables of millions of rows: eight bytes each, and every text once.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <ostream>
#include <string>
#include <string_view>

namespace tidemark {

/// A text that all equal names share, for as long as the program runs, and the number that it ends in: of
/// "forward #12" the text "forward". So a name for each step of a recording takes no more than the step.
/// Any thread may make names and read them.
class Name {
 public:
  Name() = default;
  Name(std::string_view text);
  Name(const std::string& text) : Name(std::string_view(text)) {}
  Name(const char* text) : Name(std::string_view(text)) {}

  /// "<text> #<number>"; number >= 0.
  static Name numbered(const Name& text, int32_t number);

  std::string str() const;
  operator std::string() const { return str(); }
  bool empty() const { return key() == 0; }

  /// What it is made of; number() < 0: the text alone.
  const std::string& text() const;
  int32_t number() const { return number_; }
  /// Another name with the same text; number >= 0.
  Name with_number(int32_t number) const { return {text_, number}; }

  /// Tells names apart. The order of keys is not that of the texts.
  uint64_t key() const { return uint64_t{text_} << 32 | (static_cast<uint32_t>(number_) + 1); }
  friend bool operator==(const Name&, const Name&) = default;

 private:
  Name(uint32_t text, int32_t number) : text_(text), number_(number) {}

  uint32_t text_ = 0;  ///< the first is ""
  int32_t number_ = -1;
};

inline std::ostream& operator<<(std::ostream& out, const Name& name) {
  return out << name.str();
}

}  // namespace tidemark

template <>
struct std::hash<tidemark::Name> {
  size_t operator()(const tidemark::Name& name) const {
    return std::hash<uint64_t>()(name.key() * 0x9e3779b97f4a7c15u);
  }
};
