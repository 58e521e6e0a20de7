#include "base/category.h"

#include <string>

#include "base/error.h"

namespace tidemark {
namespace {

template <typename Enum, size_t N>
Enum enum_from(const std::array<std::string_view, N>& names, std::string_view name, std::string_view where) {
  for (size_t i = 0; i < N; ++i)
    if (names[i] == name) return static_cast<Enum>(i);
  std::string known;
  for (std::string_view n : names) known += (known.empty() ? "" : ", ") + std::string(n);
  throw Error("cannot read", std::string(where), "unknown name '" + std::string(name) + "'",
              "use one of: " + known);
}

}  // namespace

Category category_from(std::string_view name, std::string_view where) {
  return enum_from<Category>(kCategoryNames, name, where);
}

Phase phase_from(std::string_view name, std::string_view where) {
  return enum_from<Phase>(kPhaseNames, name, where);
}

}  // namespace tidemark
