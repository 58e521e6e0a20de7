// What streams do, as a graph of nodes: each runs when those that it is behind have. Of those that may, one
// is drawn by lot, so that an order that nobody asked for does not come about. Nothing runs until somebody
// waits for it.
#pragma once

#include <functional>
#include <memory>
#include <random>
#include <vector>

namespace tidemark::emulated {

struct Node {
  std::function<void()> work;  ///< may be empty
  int waits_for = 0;
  bool done = false;
  std::vector<std::shared_ptr<Node>> behind_it;
};
using NodePtr = std::shared_ptr<Node>;

class Work {
 public:
  /// Behind those that are not done; nullptr counts as done.
  NodePtr submit(std::function<void()> work, const std::vector<NodePtr>& behind);
  /// Until it is done. What the work throws leaves it done, and the rest to be done.
  void wait_for(const NodePtr& node);
  void wait_for_all();
  uint64_t draw() { return random_(); }

 private:
  void run_one();
  std::vector<NodePtr> ready_;
  std::mt19937_64 random_{20240229};
};

}  // namespace tidemark::emulated
