#include "planner/remat/lower_bound.h"

#include <algorithm>
#include <vector>

namespace tidemark {
namespace {

struct Producer {
  double seconds;
  int64_t bytes;  // of its outputs that backward ops read
};

std::vector<Producer> producers_of_saved(const RematProblem& problem) {
  const Graph& graph = problem.graph();
  std::vector<bool> counted(graph.values().size(), false);
  std::vector<int64_t> bytes(graph.ops().size(), 0);
  for (const Op& op : graph.ops()) {
    if (op.phase != Phase::backward) continue;
    for (ValueId v : op.inputs) {
      if (v == kNone || counted[static_cast<size_t>(v)]) continue;
      counted[static_cast<size_t>(v)] = true;
      const OpId producer = graph.value(v).producer;
      if (producer != kNone && graph.op(producer).phase == Phase::forward)
        bytes[static_cast<size_t>(producer)] += graph.value(v).bytes();
    }
  }
  std::vector<Producer> producers;
  for (size_t i = 0; i < bytes.size(); ++i)
    if (bytes[i] > 0) producers.push_back({problem.op_seconds()[i], bytes[i]});
  return producers;
}

}  // namespace

double lower_bound_seconds(const RematProblem& problem, int64_t budget) {
  const double once = problem.keep_all().seconds;
  if (budget == 0) return once;
  std::vector<Producer> producers = producers_of_saved(problem);
  int64_t excess = problem.persistent_bytes() - budget;
  for (const Producer& p : producers) excess += p.bytes;
  std::sort(producers.begin(), producers.end(), [](const Producer& a, const Producer& b) {
    return a.seconds * static_cast<double>(b.bytes) < b.seconds * static_cast<double>(a.bytes);
  });
  double again = 0;
  for (const Producer& p : producers) {
    if (excess <= 0) break;
    again += p.seconds * std::min(1.0, static_cast<double>(excess) / static_cast<double>(p.bytes));
    excess -= p.bytes;
  }
  return once + again * problem.micro_batches();
}

}  // namespace tidemark
