// What a kernel did that a GPU would stop at, or that compute-sanitizer would report.
#pragma once

#include <stdexcept>
#include <string>

namespace tidemark::emulated {

enum class FaultKind {
  unsupported,  ///< of the interpreter: an instruction that it does not know
  illegal_address,
  misaligned_address,
  race,
  divergence,  ///< of lanes at what all of a warp must execute together
  trap,
};

struct Fault : std::runtime_error {
  Fault(FaultKind its_kind, const std::string& what) : std::runtime_error(what), kind(its_kind) {}
  FaultKind kind;
};

}  // namespace tidemark::emulated
