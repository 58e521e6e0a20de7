// The calls by which a program maps memory, as CUPTI's callbacks tell of them.
#pragma once

#include <cupti.h>

#include <functional>
#include <mutex>

#include "profiler/cupti/mapped_memory.h"

namespace tidemark {

class CuptiCallbacks;

class MemoryCalls {
 public:
  /// Numbers a name (CudaEventLog::intern); called, as the sink is, in the threads of the program.
  using Intern = std::function<uint32_t(const char*)>;

  MemoryCalls(MappedMemory::Sink sink, Intern intern)
      : intern_(std::move(intern)), memory_(std::move(sink)) {}

  /// Returns why not; empty: it follows them, until the callbacks stop.
  std::string start(CuptiCallbacks& callbacks);

 private:
  void called(CUpti_CallbackId id, const CUpti_CallbackData& call);
  void before(CUpti_CallbackId id, const void* parameters);
  void after(CUpti_CallbackId id, const void* parameters);

  Intern intern_;
  std::mutex mutex_;
  MappedMemory memory_;
};

}  // namespace tidemark
