// The emulated GPU: memory, kernels, streams, events and graphs, with the errors of the CUDA runtime. Its
// calls stand in cudart.cpp, under CUDA's names.
#pragma once

#include <driver_types.h>

#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/gpu/emulated/device_memory.h"
#include "tests/gpu/emulated/grid.h"
#include "tests/gpu/emulated/module.h"
#include "tests/gpu/emulated/work.h"

namespace tidemark::emulated {

struct Event;

/// What a capture has collected.
struct CapturedNode {
  std::function<void()> work;
  std::vector<size_t> behind;
  Event* records = nullptr;  ///< cudaEventRecordExternal
};
struct Graph {
  std::vector<CapturedNode> nodes;
};

struct Stream;
struct Capture {
  Stream* origin = nullptr;
  Graph graph;
  std::vector<Stream*> joined;
};

struct Stream {
  NodePtr last;
  Capture* capture = nullptr;
  std::vector<size_t> captured_last;  ///< nodes of the capture that the next one is behind
};

struct Event {
  bool timed = true;
  NodePtr node;
  bool recorded = false;
  Capture* capture = nullptr;
  std::vector<size_t> captured;
  std::chrono::steady_clock::time_point at;
};

struct Kernel {
  const void* fatbin;
  std::string name;
  int most_dynamic_shared = 48 << 10;
};

class Gpu {
 public:
  static Gpu& instance();
  ~Gpu();

  /// The error that is kept from now on, where a kernel did what it must not.
  cudaError_t broken() const { return broken_; }
  /// Of an error: what CUDA would say, and of a broken GPU, what happened.
  const char* describe(cudaError_t error) const;

  /// Adds to the stream, or to what captures it; `records` for an event of a graph.
  cudaError_t enqueue(Stream& stream, std::function<void()> work, Event* records = nullptr);
  /// The same of a kernel, a copy or a set, which is noted (started.h).
  cudaError_t start(Stream& stream, std::function<void()> work);
  cudaError_t wait(const NodePtr& node);
  cudaError_t launch(Kernel& kernel, Dim grid, Dim block, void** arguments, size_t shared, Stream& stream);
  cudaError_t copy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, Stream& stream);
  cudaError_t set(void* at, int value, size_t bytes, Stream& stream);

  cudaError_t begin_capture(Stream& stream);
  cudaError_t end_capture(Stream& stream, Graph*& graph);
  cudaError_t wait_for(Stream& stream, Event& event);
  cudaError_t record(Stream& stream, Event& event, bool external);
  cudaError_t launch_graph(const Graph& graph, Stream& stream);
  bool capturing() const { return captures_ > 0; }

  const Function& function(const Kernel& kernel);
  int most_shared() const { return most_shared_; }

  DeviceMemory memory;
  Work work;
  Stream null_stream;
  std::map<const void*, Kernel> kernels;  ///< by their host functions

 private:
  Gpu();
  std::function<void()> guarded(std::function<void()> work);
  void forget_capture(Capture& capture);

  std::map<const void*, std::unique_ptr<Module>> modules_;  ///< by their device binaries
  cudaError_t broken_ = cudaSuccess;
  std::string what_broke_;
  int captures_ = 0;
  int most_shared_ = 0;
  bool counts_ = false;
  std::map<std::string, Traffic> traffic_;  ///< by kernels
};

}  // namespace tidemark::emulated
