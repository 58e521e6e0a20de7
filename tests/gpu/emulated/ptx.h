// PTX as the interpreter runs it: functions of decoded instructions, whose operands are places in a warp's
// register file. What instructions mean is in NVIDIA's "PTX ISA", version 9.0.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace tidemark::emulated {

class Warp;
struct Instruction;
using Handler = void (*)(Warp&, const Instruction&);

inline constexpr int kLanes = 32;
inline constexpr uint32_t kNoGuard = ~0u;
/// Where in shared memory what a launch adds begins: at the next multiple of this.
inline constexpr int64_t kDynamicAlignment = 16;

/// Where the windows of shared and local memory begin in generic addresses. No host has these.
inline constexpr uint64_t kSharedWindow = 0xffff'0001'0000'0000, kLocalWindow = 0xffff'0002'0000'0000,
                          kWindowBytes = 1ull << 32;

struct Instruction {
  Handler handler = nullptr;
  /// Bytes into the register file: of what is written, and of what is read. An address comes first of these.
  std::array<uint32_t, 4> to{};
  std::array<uint32_t, 10> from{};
  int64_t offset = 0;         ///< bytes added to an address
  int32_t target = -1;        ///< of a branch: an instruction
  uint32_t guard = kNoGuard;  ///< the predicate of the lanes that execute it
  bool guard_negated = false;
  bool short_address = false;  ///< an address in 32 bits
  uint8_t count = 1;           ///< elements of a vector
  uint8_t mode = 0;            ///< what else a handler is told
  int32_t call = -1;           ///< into Function::calls
  int32_t line = 0;            ///< in the PTX of its function
};

/// Of the block's threads, its place among the grid's, and the lane's of its warp.
enum class Special {
  tid_x,
  tid_y,
  tid_z,
  ntid_x,
  ntid_y,
  ntid_z,
  ctaid_x,
  ctaid_y,
  ctaid_z,
  nctaid_x,
  nctaid_y,
  nctaid_z,
  laneid
};

struct Parameter {
  int64_t offset = 0, bytes = 0;
};

struct Function;

/// A call: arguments and results are copied between the frames, which are memory of each lane.
struct Call {
  const Function* callee = nullptr;
  std::vector<Parameter> arguments, results;  ///< in the caller's frame
};

struct Function {
  std::string name;
  bool entry = false;
  std::vector<Instruction> code;
  std::vector<Parameter> parameters, results;
  int64_t parameter_bytes = 0;  ///< of a kernel
  int64_t frame_bytes = 0;      ///< of each lane: a function's parameters and those of its calls
  int64_t shared_bytes = 0;     ///< without what a launch adds
  int64_t local_bytes = 0;      ///< of each lane
  int64_t register_bytes = 0;
  int max_threads = 1024;
  std::vector<Call> calls;
  /// What registers hold from the start: constants, and special registers.
  struct Constant {
    uint32_t at;
    uint8_t bytes;
    uint64_t value;
  };
  std::vector<Constant> constants;
  std::map<Special, uint32_t> special;
};

}  // namespace tidemark::emulated
