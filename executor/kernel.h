// What a kernel is given: operands as pointers into the arena, and nothing to allocate with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "graph/op_def.h"

namespace tidemark {

class ThreadPool;

struct KernelArgs {
  OpView op;                   ///< attributes and operand types
  std::vector<void*> inputs;   ///< nullptr where an optional operand is absent
  std::vector<void*> outputs;  ///< may equal an input where the op declares the alias
  void* workspace = nullptr;   ///< OpDef::workspace bytes, 64-byte aligned, contents undefined
  int64_t workspace_bytes = 0;
  ThreadPool* pool = nullptr;

  template <typename T>
  const T* in(int i) const {
    return static_cast<const T*>(inputs[static_cast<size_t>(i)]);
  }
  template <typename T>
  T* out(int i) const {
    return static_cast<T*>(outputs[static_cast<size_t>(i)]);
  }
};

/// Must be deterministic: the same bits whatever the addresses and the number of threads, and must
/// neither allocate nor keep state between calls.
using Kernel = void (*)(const KernelArgs&);

/// The CPU kernel of an op; throws InternalError if the registry's op has none (a test checks).
Kernel find_cpu_kernel(std::string_view op_name);

}  // namespace tidemark
