// What a byte is for, and when: the words that the graph, the trace, the plan and the viewer share.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace tidemark {

enum class Category : uint8_t {
  parameter,
  gradient,
  optimizer_state,
  activation,
  input,
  workspace,
  communication,
  runtime,
};
inline constexpr int kCategoryCount = 8;

inline constexpr std::array<std::string_view, kCategoryCount> kCategoryNames = {
    "parameter", "gradient",  "optimizer_state", "activation",
    "input",     "workspace", "communication",   "runtime"};

inline constexpr std::string_view name_of(Category c) {
  return kCategoryNames[static_cast<int>(c)];
}

using CategoryBytes = std::array<int64_t, kCategoryCount>;  ///< indexed by Category

inline constexpr int64_t total(const CategoryBytes& bytes) {
  int64_t sum = 0;
  for (int64_t b : bytes) sum += b;
  return sum;
}

/// Where in a training step an op stands. `prepare` runs once before the micro-batches, `forward` and
/// `backward` once for each of them, `optimizer` once after them.
enum class Phase : uint8_t { prepare, forward, backward, optimizer };
inline constexpr int kPhaseCount = 4;

inline constexpr std::array<std::string_view, kPhaseCount> kPhaseNames = {"prepare", "forward", "backward",
                                                                          "optimizer"};

inline constexpr std::string_view name_of(Phase p) {
  return kPhaseNames[static_cast<int>(p)];
}

/// The inverse of name_of. Throw Error where the name is unknown; `where` names the field.
Category category_from(std::string_view name, std::string_view where);
Phase phase_from(std::string_view name, std::string_view where);

}  // namespace tidemark
