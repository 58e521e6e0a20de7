// Who starts what a thread asks CUDA for, told to our library that the driver loaded into this process
// (profiler/cupti), where there is one.
#pragma once

#include <cstdint>

#include "base/category.h"

namespace tidemark {

/// As it crosses from the program to the library, which copies it.
struct CurrentOp {
  const char* name = nullptr;
  int32_t step = -1;  ///< of the plan's order; -1: it is none of the plan's
  Phase phase = Phase::forward;
};

/// The C function of the library. Of the calling thread, until it is called again; null: no op.
using SetCurrentOp = void(const CurrentOp*);
inline constexpr const char* kSetCurrentOp = "tidemark_set_current_op";
/// Where the driver is told which library it is.
inline constexpr const char* kInjectedLibrary = "CUDA_INJECTION64_PATH";

/// Where nobody listens, telling is a comparison with null.
class OpTeller {
 public:
  /// To be made when CUDA has started: the driver loads the library then.
  OpTeller();

  /// As long as it lives.
  class Scope {
   public:
    Scope(SetCurrentOp* set, const CurrentOp& op) : set_(set) {
      if (set_) set_(&op);
    }
    ~Scope() {
      if (set_) set_(nullptr);
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    SetCurrentOp* set_;
  };
  [[nodiscard]] Scope tell(const CurrentOp& op) const { return {set_, op}; }

 private:
  SetCurrentOp* set_ = nullptr;
};

}  // namespace tidemark
