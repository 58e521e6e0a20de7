// Live bytes by category, one on top of the other, as far as pixels can show them.
#pragma once

#include <array>
#include <bitset>
#include <vector>

#include "gui/models/program.h"
#include "gui/models/step_clock.h"

namespace tidemark::gui {

using CategorySet = std::bitset<kCategoryCount>;  ///< indexed by Category

/// From the bottom up: what stays, then what comes and goes.
inline constexpr std::array<Category, kCategoryCount> kStackOrder = {
    Category::runtime,       Category::parameter, Category::optimizer_state, Category::gradient,
    Category::communication, Category::input,     Category::activation,      Category::workspace};

int64_t sum_of(const CategoryBytes& bytes, CategorySet visible);

/// The segment with the most visible bytes in each of `columns` equal parts of [from, to], so that no
/// peak is lost however many steps a pixel holds; -1 where nothing ran.
std::vector<int64_t> peak_columns(const Program& program, const StepClock& clock, CategorySet visible,
                                  double from, double to, int columns);

/// The first segment with the most visible bytes. The clock must not be empty.
size_t peak_segment(const Program& program, const StepClock& clock, CategorySet visible);

/// The buffer at a height of the stack, those of a category by offset from its bottom up; -1 above all.
int32_t buffer_in_stack(const Program& program, int32_t step, CategorySet visible, double bytes);

}  // namespace tidemark::gui
