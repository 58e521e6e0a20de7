// Where OpCase runs an op besides the CPU's kernels: devices, in memory of their own.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "executor/kernel.h"

namespace tidemark::test {

class OpDevice {
 public:
  virtual ~OpDevice() = default;
  virtual std::string name() const = 0;
  virtual bool has(std::string_view op) const = 0;
  /// Of shared memory that a block may have, where there are devices that differ in it: the others agree to
  /// the bit.
  virtual int64_t shared_bytes() const { return 0; }
  /// Memory that host and device both see.
  virtual void* allocate(size_t bytes) = 0;
  virtual void release(void* memory) = 0;
  /// Returns when it is done.
  virtual void run(std::string_view op, const KernelArgs& args) = 0;
};

/// Those that this test program is for; a program links one definition of it.
const std::vector<std::unique_ptr<OpDevice>>& op_devices();

}  // namespace tidemark::test
