// The stream that CUDA kernels are launched on, and the library handle of their matrix products.
#pragma once

#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include "executor/device/matmul.h"

namespace tidemark::device {

class CudaGroup;

/// Throws Error, exit status 3, where a call of the CUDA runtime failed; `doing` names it.
void check_cuda(cudaError_t status, const char* doing);

class CudaDevice {
 public:
  using Group = CudaGroup;

  CudaDevice();
  ~CudaDevice();
  CudaDevice(const CudaDevice&) = delete;
  CudaDevice& operator=(const CudaDevice&) = delete;

  cudaStream_t stream() const { return stream_; }
  /// Of shared memory, that a block may ask for.
  int64_t shared_bytes() const { return shared_bytes_; }

  /// body(group, block) for every block, each of `lanes` threads (a multiple of 32) with `shared_bytes`.
  template <typename Body>
  void launch(int64_t blocks, int lanes, int64_t shared_bytes, const Body& body);
  /// The same of kWarps warps, with registers such that kBlocks blocks run at once on a multiprocessor.
  template <int kWarps, int kBlocks, typename Body>
  void launch_warps(int64_t blocks, int64_t shared_bytes, const Body& body);
  /// body(i) for every i of [0, n).
  template <typename Body>
  void each(int64_t n, const Body& body);
  void zero(void* at, int64_t bytes);
  /// Through cuBLASLt, by an algorithm that depends on shapes and alignments alone and adds in a fixed order.
  void matmul(const Matmul& product);

 private:
  cudaStream_t stream_ = nullptr;
  cublasLtHandle_t blas_ = nullptr;
  int64_t shared_bytes_ = 0;
};

}  // namespace tidemark::device
