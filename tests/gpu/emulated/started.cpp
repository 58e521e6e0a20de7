#include "tests/gpu/emulated/started.h"

#include <mutex>

namespace tidemark::emulated {
namespace {

thread_local Started current;
std::mutex mutex;
std::vector<Started>* list = nullptr;

}  // namespace

void note_starts_in(std::vector<Started>* new_list) {
  const std::lock_guard lock(mutex);
  list = new_list;
}

void note_start(bool captured) {
  const std::lock_guard lock(mutex);
  if (!list) return;
  list->push_back(current);
  list->back().captured = captured;
}

}  // namespace tidemark::emulated

extern "C" void tidemark_set_current_op(const tidemark::CurrentOp* op) {
  using tidemark::emulated::current;
  current =
      op ? tidemark::emulated::Started{op->name, op->step, op->phase, false} : tidemark::emulated::Started{};
}
