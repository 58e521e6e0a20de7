#include "tests/gpu/emulated/work.h"

#include <utility>

namespace tidemark::emulated {

NodePtr Work::submit(std::function<void()> work, const std::vector<NodePtr>& behind) {
  auto node = std::make_shared<Node>();
  node->work = std::move(work);
  for (const NodePtr& before : behind)
    if (before && !before->done) {
      before->behind_it.push_back(node);
      ++node->waits_for;
    }
  if (node->waits_for == 0) ready_.push_back(node);
  return node;
}

void Work::run_one() {
  std::swap(ready_[random_() % ready_.size()], ready_.back());
  const NodePtr node = std::move(ready_.back());
  ready_.pop_back();
  node->done = true;
  for (const NodePtr& next : std::exchange(node->behind_it, {}))
    if (--next->waits_for == 0) ready_.push_back(next);
  if (const auto work = std::exchange(node->work, nullptr)) work();
}

void Work::wait_for(const NodePtr& node) {
  while (node && !node->done) run_one();
}

void Work::wait_for_all() {
  while (!ready_.empty()) run_one();
}

}  // namespace tidemark::emulated
