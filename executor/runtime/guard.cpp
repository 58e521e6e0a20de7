#include "executor/runtime/guard.h"

#include <cstring>

#include "base/error.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

namespace tidemark {

bool can_poison() {
#ifdef __SANITIZE_ADDRESS__
  return true;
#else
  return false;
#endif
}

Guard::Guard(GuardMode mode, const Plan& plan, Arena& arena) : mode_(mode), plan_(plan), arena_(arena) {
  if (mode == GuardMode::poison && !can_poison())
    throw Error("cannot guard", "poison", "this build has no AddressSanitizer",
                "use the asan preset, or the guard 'scribble'");
  if (mode != GuardMode::scribble) return;
  born_.resize(plan.schedule.steps.size());
  dying_.resize(plan.schedule.steps.size());
  for (size_t i = 0; i < plan.schedule.buffers.size(); ++i) {
    const Buffer& b = plan.schedule.buffers[i];
    if (b.persistent) continue;
    born_[static_cast<size_t>(b.first_step)].push_back(static_cast<int32_t>(i));
    dying_[static_cast<size_t>(b.last_step)].push_back(static_cast<int32_t>(i));
  }
}

void Guard::fill_nan(int32_t buffer) {
  const auto i = static_cast<size_t>(buffer);
  std::memset(arena_.data() + plan_.offsets[i], 0xff, static_cast<size_t>(plan_.schedule.buffers[i].bytes));
}

void Guard::before(int32_t step) {
  if (mode_ == GuardMode::scribble)
    for (int32_t b : born_[static_cast<size_t>(step)]) fill_nan(b);
}

void Guard::admit(int32_t step) {
  if (mode_ != GuardMode::poison) return;
  ASAN_POISON_MEMORY_REGION(arena_.data(), static_cast<size_t>(arena_.bytes()));
  const Step& s = plan_.schedule.steps[static_cast<size_t>(step)];
  for (int32_t b : s.inputs) admit_buffer(b);
  for (int32_t b : s.outputs) admit_buffer(b);
  admit_buffer(s.workspace);
}

void Guard::admit_buffer(int32_t buffer) {
  if (mode_ != GuardMode::poison || buffer == kNone) return;
  [[maybe_unused]] const auto i = static_cast<size_t>(buffer);
  ASAN_UNPOISON_MEMORY_REGION(arena_.data() + plan_.offsets[i],
                              static_cast<size_t>(plan_.schedule.buffers[i].bytes));
}

void Guard::after(int32_t step) {
  if (mode_ != GuardMode::scribble) return;
  // What the step's own successor in the same buffer still reads is not dying; last_step says so. The
  // graph's outputs die with the last step and are read after it.
  if (step + 1 == static_cast<int32_t>(plan_.schedule.steps.size())) return;
  for (int32_t b : dying_[static_cast<size_t>(step)]) fill_nan(b);
}

void Guard::open() {
  if (mode_ == GuardMode::poison)
    ASAN_UNPOISON_MEMORY_REGION(arena_.data(), static_cast<size_t>(arena_.bytes()));
}

}  // namespace tidemark
