#include "profiler/cupti/op_names.h"

#include <utility>

#include "base/cuda_library.h"
#include "profiler/cupti/decoder.h"

namespace tidemark {
namespace {

thread_local uint64_t current = 0;  ///< id of the op; 0: none

constexpr CUpti_CallbackId kNodes[] = {CUPTI_CBID_RESOURCE_GRAPHNODE_CREATED,
                                       CUPTI_CBID_RESOURCE_GRAPHNODE_CLONED};

}  // namespace

std::string OpNames::start(const CudaLibrary& cupti) {
  cupti.find(node_id_, "cuptiGetGraphNodeId");
  if (!cupti.find(push_, "cuptiActivityPushExternalCorrelationId"))
    return "libcupti.so lacks cuptiActivityPushExternalCorrelationId";
  if (!cupti.find(pop_, "cuptiActivityPopExternalCorrelationId"))
    return "libcupti.so lacks cuptiActivityPopExternalCorrelationId";
  return {};
}

void OpNames::set(const CurrentOp* op) {
  const uint64_t id = op ? id_of(*op) : 0;
  if (op) std::call_once(follows_, [this] { follow_graphs(); });
  // Without our locks: CUPTI has some of its own.
  uint64_t last = 0;
  if (std::exchange(current, id) != 0) pop_(kOpCorrelation, &last);
  if (id != 0) push_(kOpCorrelation, id);
}

std::string OpNames::graphs_unseen() {
  const std::lock_guard lock(mutex_);
  return graphs_unseen_;
}

uint64_t OpNames::id_of(const CurrentOp& op) {
  const std::lock_guard lock(mutex_);
  const auto [it, is_new] = ids_.try_emplace({op.name, op.step, op.phase}, ids_.size() + 1);
  if (is_new) {
    CudaEvent e;
    e.kind = CudaEvent::named_op;
    e.phase = op.phase;
    e.name = intern_(op.name);
    e.id = it->second;
    e.bytes = op.step;
    sink_(e);
  }
  return it->second;
}

void OpNames::follow_graphs() {
  std::string why = "libcupti.so lacks cuptiGetGraphNodeId";
  if (node_id_)
    why = callbacks_.follow(CUPTI_CB_DOMAIN_RESOURCE, kNodes, [this](CUpti_CallbackId id, const void* data) {
      const auto& resource = *static_cast<const CUpti_ResourceData*>(data);
      seen(id, *static_cast<const CUpti_GraphData*>(resource.resourceDescriptor));
    });
  const std::lock_guard lock(mutex_);
  graphs_unseen_ = why;
}

/// A node is the op's that was current when it came into a graph. Graphs are copied before they run
/// (cudaGraphInstantiate), and records name the nodes of the copy.
void OpNames::seen(CUpti_CallbackId id, const CUpti_GraphData& graph) {
  uint64_t node = 0, original = 0;
  if (node_id_(graph.node, &node) != CUPTI_SUCCESS) return;
  const bool is_copy = id == CUPTI_CBID_RESOURCE_GRAPHNODE_CLONED;
  if (is_copy && node_id_(graph.originalNode, &original) != CUPTI_SUCCESS) return;
  const std::lock_guard lock(mutex_);
  uint64_t op = current;
  if (is_copy) {
    const auto known = of_nodes_.find(original);
    if (known == of_nodes_.end()) return;
    op = known->second;
  }
  if (op == 0) return;
  of_nodes_[node] = op;
  CudaEvent e;
  e.kind = CudaEvent::graph_node;
  e.address = node;
  e.id = op;
  sink_(e);
}

}  // namespace tidemark
