// 32 lanes that execute a function: each instruction for all lanes that are at it, the lanes that are
// furthest behind first, so that those that parted meet again.
#pragma once

#include <bit>
#include <cstddef>
#include <cstring>
#include <vector>

#include "tests/gpu/emulated/device_memory.h"
#include "tests/gpu/emulated/fault.h"
#include "tests/gpu/emulated/ptx.h"
#include "tests/gpu/emulated/shared_memory.h"
#include "tests/gpu/emulated/traffic.h"

namespace tidemark::emulated {

struct Dim {
  uint32_t x = 1, y = 1, z = 1;
  uint64_t count() const { return uint64_t{x} * y * z; }
};

/// What the warps of a block share.
struct BlockState {
  const DeviceMemory* memory = nullptr;
  const std::byte* parameters = nullptr;
  SharedMemory shared;
  uint32_t phase = 1;          ///< barriers gone by, of this block and those before
  Traffic* traffic = nullptr;  ///< counted where there is one
};

class Warp {
 public:
  /// Lanes [first_thread, first_thread + lanes) of a block of `size` at `at` in `grid`.
  void begin(const Function& function, BlockState& block, int index, Dim size, Dim at, Dim grid);

  /// Until a barrier of the block, or the end. Throws Fault.
  void run();
  bool ended() const { return alive_ == 0; }
  void pass_barrier() { ++phase_; }

  /// The instruction's line, and its function, for messages.
  int line() const { return code_ ? (*code_)[static_cast<size_t>(at_)].line : 0; }

  // For handlers.

  /// A register, or what it begins with: the value of each lane.
  template <typename T>
  T* lanes(uint32_t place) {
    return reinterpret_cast<T*>(registers_ + place);
  }
  uint32_t& predicate(uint32_t place) { return *lanes<uint32_t>(place); }

  /// f(lane) of the lanes that execute the instruction.
  template <typename F>
  void each(const F& f) {
    if (mask == ~0u) {
#pragma GCC ivdep
      for (int lane = 0; lane < kLanes; ++lane) f(lane);
    } else {
      for (uint32_t rest = mask; rest != 0; rest &= rest - 1) f(std::countr_zero(rest));
    }
  }

  uint64_t address(const Instruction& i, int lane) {
    const uint64_t base =
        i.short_address ? lanes<uint32_t>(i.from[0])[lane] : lanes<uint64_t>(i.from[0])[lane];
    return base + static_cast<uint64_t>(i.offset);
  }
  Toucher toucher(int lane) const {
    return {static_cast<uint16_t>(first_thread_ + lane), step_, phase_};
  }
  /// Of a lane: its local memory, and its frame.
  std::byte* local(int lane, uint64_t at, size_t bytes);
  std::byte* frame(int lane, uint64_t at, size_t bytes);

  /// Those of `taken` go to the target, the rest on.
  void branch(uint32_t taken, int32_t target);
  void leave();
  void wait_at_barrier();
  /// Throws Fault unless all lanes that have not ended are here.
  void expect_together(const char* what) const;
  void step() {
    ++step_;
  }
  void call(const Instruction& i);

  struct AsyncCopy {
    int lane;
    uint64_t to;
    uint32_t bytes;
    uint64_t from;
    uint32_t from_bytes;
  };
  std::vector<AsyncCopy> copies;  ///< begun, and not waited for
  void land_copies();

  uint32_t mask = 0;   ///< of the lanes that execute the instruction
  uint32_t carry = 0;  ///< of each lane
  BlockState* block = nullptr;
  const Function* function = nullptr;

 private:
  struct Parked {
    int32_t at;
    uint32_t lanes;
  };
  void prepare(const Function& f, std::vector<std::byte>& memory);
  uint32_t value_of(Special special, uint32_t lane) const;
  void park(int32_t at, uint32_t lanes);
  void meet();

  const std::vector<Instruction>* code_ = nullptr;
  std::byte* registers_ = nullptr;
  int32_t at_ = 0;
  uint32_t active_ = 0, alive_ = 0;
  std::vector<Parked> parked_;  ///< by where, the furthest behind last
  bool waiting_ = false;
  int first_thread_ = 0;
  uint32_t phase_ = 0;
  uint16_t step_ = 0;
  std::vector<std::byte> register_memory_, local_memory_, frame_memory_;
  const Function* prepared_ = nullptr;
  std::byte* frames_ = nullptr;
  int64_t frame_bytes_ = 0;
  std::byte* locals_ = nullptr;
  int64_t local_bytes_ = 0;
  Dim size_, place_, grid_;
};

}  // namespace tidemark::emulated
