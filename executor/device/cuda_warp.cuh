// A warp on tensor cores: warp_tile.h's operations in instructions of sm_80 and later.
#pragma once

#include "executor/device/warp_tile.h"

namespace tidemark::device {

class CudaWarp {
 public:
  /// Of this thread; which lane it is, its caller knows.
  template <typename T>
  struct Lanes {
    T own;
    TIDEMARK_DEVICE_INLINE T& operator[](int) { return own; }
    TIDEMARK_DEVICE_INLINE const T& operator[](int) const { return own; }
  };

  TIDEMARK_DEVICE_INLINE int index() const { return static_cast<int>(threadIdx.x) / kWarpLanes; }

  template <typename F>
  TIDEMARK_DEVICE_INLINE void each_lane(const F& f) {
    f(lane());
  }
  TIDEMARK_DEVICE_INLINE void sync() { __syncwarp(); }

  template <bool kTransposed, typename Address>
  TIDEMARK_DEVICE_INLINE void load(Lanes<Pairs>& to, const Address& address) {
    const uint32_t at = shared_address(address(lane()));
    uint32_t(&x)[4] = to.own.x;
    if constexpr (kTransposed)
      asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                   : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
                   : "r"(at));
    else
      asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                   : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
                   : "r"(at));
  }

  template <int kHalf>
  TIDEMARK_DEVICE_INLINE void multiply(const Lanes<Pairs>& a, const Lanes<Pairs>& b, Lanes<Sums>& c) {
    const uint32_t(&x)[4] = a.own.x;
    float(&sum)[4] = c.own.x;
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
        : "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3]), "r"(b.own.x[2 * kHalf]), "r"(b.own.x[2 * kHalf + 1]));
  }

  template <typename Op>
  TIDEMARK_DEVICE_INLINE void each_quad(Lanes<RowPair>& rows, const Op& op) {
    TIDEMARK_UNROLL
    for (int step = 1; step < 4; step *= 2) TIDEMARK_UNROLL
    for (int half = 0; half < 2; ++half) {
      float& x = rows.own.x[half];
      x = op(x, __shfl_xor_sync(0xffffffff, x, step));
    }
  }

  TIDEMARK_DEVICE_INLINE void exchange(Lanes<float>& x, int step) {
    x.own = __shfl_xor_sync(0xffffffff, x.own, step);
  }

  template <typename T>
  TIDEMARK_DEVICE_INLINE void copy(T* to, const T* from, bool there) {
    static_assert(sizeof(T) == 4 || sizeof(T) == 16);
    // The bytes of the source; what is missing of them is zero.
    const int bytes = there ? static_cast<int>(sizeof(T)) : 0;
    if constexpr (sizeof(T) == 16)
      asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from),
                   "r"(bytes)
                   : "memory");
    else
      asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(shared_address(to)), "l"(from),
                   "r"(bytes)
                   : "memory");
  }
  /// Until this thread's copies are there.
  static TIDEMARK_DEVICE_INLINE void wait_for_copies() { asm volatile("cp.async.wait_all;" ::: "memory"); }

  static TIDEMARK_DEVICE_INLINE void store(Bf16* at, float first, float second) {
    *reinterpret_cast<uint32_t*>(at) = bf16_pair(first, second);
  }

 private:
  static TIDEMARK_DEVICE_INLINE int lane() { return static_cast<int>(threadIdx.x) % kWarpLanes; }
  static TIDEMARK_DEVICE_INLINE uint32_t shared_address(const void* at) {
    return static_cast<uint32_t>(__cvta_generic_to_shared(at));
  }
};

template <typename T>
struct CudaRegisters {
  T own;
  TIDEMARK_DEVICE_INLINE T& operator[](const CudaWarp&) { return own; }
};

}  // namespace tidemark::device
