// Which op of the program starts what: ids of ops for CUPTI's external correlation, and for the nodes of CUDA
// graphs, whose records have no correlation of their own.
#pragma once

#include <cupti.h>

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <unordered_map>

#include "base/current_op.h"
#include "profiler/cupti/callbacks.h"
#include "profiler/cupti/cuda_events.h"

namespace tidemark {

/// Costs nothing before the first op is told of: only then are graphs followed.
class OpNames {
 public:
  using Sink = std::function<void(const CudaEvent&)>;
  using Intern = std::function<uint32_t(const char*)>;  ///< CudaEventLog::intern

  /// Both are called in the threads of the program.
  OpNames(CuptiCallbacks& callbacks, Sink sink, Intern intern)
      : callbacks_(callbacks), sink_(std::move(sink)), intern_(std::move(intern)) {}

  /// Before anybody tells. Returns why not; empty: all that it needs is there.
  std::string start(const CudaLibrary& cupti);
  /// From here on the calling thread starts things for `op`; null: for none.
  void set(const CurrentOp* op);
  /// Why ops in graphs are not seen; empty: they are, or there are none.
  std::string graphs_unseen();

 private:
  struct Key {
    std::string name;
    int32_t step = -1;
    Phase phase = Phase::forward;
    auto operator<=>(const Key&) const = default;
  };
  uint64_t id_of(const CurrentOp& op);
  void follow_graphs();
  void seen(CUpti_CallbackId id, const CUpti_GraphData& graph);

  CuptiCallbacks& callbacks_;
  Sink sink_;
  Intern intern_;
  decltype(&cuptiActivityPushExternalCorrelationId) push_ = nullptr;
  decltype(&cuptiActivityPopExternalCorrelationId) pop_ = nullptr;
  decltype(&cuptiGetGraphNodeId) node_id_ = nullptr;
  std::once_flag follows_;
  std::mutex mutex_;
  std::string graphs_unseen_;
  std::map<Key, uint64_t> ids_;                      ///< from 1 on
  std::unordered_map<uint64_t, uint64_t> of_nodes_;  ///< ids by graph node
};

}  // namespace tidemark
