// How a kernel body becomes a CUDA kernel: blocks of lanes for CudaDevice::launch, a lane per index for each.
#pragma once

#include "executor/device/cuda_device.h"
#include "executor/device/cuda_warp.cuh"
#include "executor/device/group.h"
#include "executor/kernel.h"

namespace tidemark::device {

class CudaGroup {
 public:
  using Warp = CudaWarp;
  template <typename T, int kWarps>
  using Registers = CudaRegisters<T>;

  template <typename F>
  __device__ void each(int64_t n, const F& f) {
    for (int64_t i = threadIdx.x; i < n; i += blockDim.x) f(i);
    __syncthreads();
  }
  template <int kWarps, typename F>
  __device__ void warps(const F& f) {
    CudaWarp warp;
    f(warp);
    CudaWarp::wait_for_copies();
    __syncthreads();
  }
  template <typename T, typename F>
  __device__ T sum(int64_t n, const F& f) {
    T own = 0;
    for (int64_t i = threadIdx.x; i < n; i += blockDim.x) own += f(i);
    return combine(own, T{0}, [](T a, T b) { return a + b; });
  }
  template <typename T, typename F>
  __device__ T max(int64_t n, T lowest, const F& f) {
    T own = lowest;
    for (int64_t i = threadIdx.x; i < n; i += blockDim.x) own = larger(own, f(i));
    return combine(own, lowest, [](T a, T b) { return larger(a, b); });
  }
  template <typename T>
  __device__ T* shared() {
    extern __shared__ __align__(16) unsigned char scratch[];
    return reinterpret_cast<T*>(scratch);
  }

 private:
  /// A tree of fixed shape: within each warp, then over the warps.
  template <typename T, typename Op>
  __device__ T combine(T own, T neutral, Op op) {
    __shared__ T of_warp[32];
    for (int step = 16; step > 0; step /= 2) own = op(own, __shfl_xor_sync(0xffffffff, own, step));
    if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = own;
    __syncthreads();
    T all = neutral;
    for (unsigned warp = 0; warp < blockDim.x / 32; ++warp) all = op(all, of_warp[warp]);
    __syncthreads();  // before somebody's next of_warp
    return all;
  }
};

template <typename Body>
__global__ void block_kernel(const Body body) {
  CudaGroup group;
  body(group, static_cast<int64_t>(blockIdx.x));
}

template <int kLanes, int kBlocks, typename Body>
__global__ void __launch_bounds__(kLanes, kBlocks) warp_kernel(const Body body) {
  CudaGroup group;
  body(group, static_cast<int64_t>(blockIdx.x));
}

template <typename Body>
__global__ void index_kernel(const int64_t n, const Body body) {
  const int64_t stride = int64_t{gridDim.x} * blockDim.x;
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += stride) body(i);
}

template <typename Body>
void launch_kernel(void (*kernel)(Body), int64_t blocks, int lanes, int64_t shared_bytes, cudaStream_t stream,
                   const Body& body) {
  if (blocks == 0) return;
  const auto dynamic = static_cast<int>(shared_bytes);
  constexpr int kWithoutAsking = 48 << 10;  // CUDA C++ programming guide, "Shared Memory"
  if (dynamic > kWithoutAsking)
    check_cuda(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, dynamic),
               "reserve shared memory");
  kernel<<<static_cast<unsigned>(blocks), static_cast<unsigned>(lanes), static_cast<size_t>(dynamic),
           stream>>>(body);
  check_cuda(cudaGetLastError(), "launch a kernel");
}

template <typename Body>
void CudaDevice::launch(int64_t blocks, int lanes, int64_t shared_bytes, const Body& body) {
  launch_kernel<Body>(block_kernel<Body>, blocks, lanes, shared_bytes, stream_, body);
}

template <int kWarps, int kBlocks, typename Body>
void CudaDevice::launch_warps(int64_t blocks, int64_t shared_bytes, const Body& body) {
  constexpr int kLanes = kWarps * kWarpLanes;
  launch_kernel<Body>(warp_kernel<kLanes, kBlocks, Body>, blocks, kLanes, shared_bytes, stream_, body);
}

template <typename Body>
void CudaDevice::each(int64_t n, const Body& body) {
  if (n == 0) return;
  constexpr int64_t kLanes = 256, kMostBlocks = 1 << 16;
  const int64_t blocks = smaller((n + kLanes - 1) / kLanes, kMostBlocks);
  index_kernel<<<static_cast<unsigned>(blocks), static_cast<unsigned>(kLanes), 0, stream_>>>(n, body);
  check_cuda(cudaGetLastError(), "launch a kernel");
}

}  // namespace tidemark::device

/// Defines the CUDA kernel of an op: its device function, for CUDA.
#define TIDEMARK_CUDA_KERNEL(op)                                            \
  void op##_cuda(const KernelArgs& args, device::CudaDevice& cuda_device) { \
    op##_device(args, cuda_device);                                         \
  }
