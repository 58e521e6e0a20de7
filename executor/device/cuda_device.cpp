#include "executor/device/cuda_device.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "executor/device/cuda_blas.h"
#include "graph/cuda_workspace.h"

namespace tidemark::device {
namespace {

void check_blas(cublasStatus_t status, const char* doing) {
  if (status != CUBLAS_STATUS_SUCCESS)
    throw Error("CUDA failed", doing, cuda_blas().GetStatusString(status),
                "run 'tidemark doctor', or use --backend cpu", ExitCode::failure);
}

/// cuBLASLt's handles, destroyed with their scope.
template <typename T, auto CudaBlas::*kDestroy>
class Handle {
 public:
  Handle() = default;
  ~Handle() {
    if (handle_) (cuda_blas().*kDestroy)(handle_);
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  operator T() const { return handle_; }
  T* address() { return &handle_; }

 private:
  T handle_ = nullptr;
};
using Description = Handle<cublasLtMatmulDesc_t, &CudaBlas::MatmulDescDestroy>;
using Layout = Handle<cublasLtMatrixLayout_t, &CudaBlas::MatrixLayoutDestroy>;
using Preference = Handle<cublasLtMatmulPreference_t, &CudaBlas::MatmulPreferenceDestroy>;

cudaDataType_t type_of(DType dtype) {
  return dtype == DType::bf16 ? CUDA_R_16BF : CUDA_R_32F;
}

template <typename T>
void set(const Description& d, cublasLtMatmulDescAttributes_t attribute, T value) {
  check_blas(cuda_blas().MatmulDescSetAttribute(d, attribute, &value, sizeof value), "describe a product");
}
template <typename T>
void set(const Preference& p, cublasLtMatmulPreferenceAttributes_t attribute, T value) {
  check_blas(cuda_blas().MatmulPreferenceSetAttribute(p, attribute, &value, sizeof value),
             "choose a product");
}

/// Of the address, at most 16: buffers lie 64 bytes apart, so no plan changes it.
uint32_t alignment_of(const void* p) {
  const auto address = reinterpret_cast<uintptr_t>(p);
  return static_cast<uint32_t>(std::min<uintptr_t>(16, address & -address));
}

}  // namespace

void check_cuda(cudaError_t status, const char* doing) {
  if (status != cudaSuccess)
    throw Error("CUDA failed", doing, cudaGetErrorString(status),
                "run 'tidemark doctor', or use --backend cpu", ExitCode::failure);
}

CudaDevice::CudaDevice() {
  int device = 0, shared = 0;
  check_cuda(cudaGetDevice(&device), "find the device");
  check_cuda(cudaDeviceGetAttribute(&shared, cudaDevAttrMaxSharedMemoryPerBlockOptin, device),
             "ask for a block's shared memory");
  shared_bytes_ = shared - cuda::kReductionShared;
  check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "create a stream");
  check_blas(cuda_blas().Create(&blas_), "open cuBLASLt");
}

CudaDevice::~CudaDevice() {
  cuda_blas().Destroy(blas_);
  cudaStreamDestroy(stream_);
}

void CudaDevice::zero(void* at, int64_t bytes) {
  check_cuda(cudaMemsetAsync(at, 0, static_cast<size_t>(bytes), stream_), "clear a buffer");
}

// cuBLASLt's matrices are column-major: what it is asked for is C^T = op(B)^T op(A)^T.
void CudaDevice::matmul(const Matmul& p) {
  Description description;
  check_blas(cuda_blas().MatmulDescCreate(description.address(), CUBLAS_COMPUTE_32F, CUDA_R_32F),
             "describe a product");
  set(description, CUBLASLT_MATMUL_DESC_TRANSA, p.b_transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
  set(description, CUBLASLT_MATMUL_DESC_TRANSB, p.a_transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
  if (p.bias) {
    set(description, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    set(description, CUBLASLT_MATMUL_DESC_BIAS_POINTER, p.bias);
    set(description, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, type_of(p.dtype));
  }

  const auto layout = [](Layout& l, DType dtype, int64_t rows, int64_t columns, int64_t ld) {
    check_blas(cuda_blas().MatrixLayoutCreate(l.address(), type_of(dtype), static_cast<uint64_t>(rows),
                                              static_cast<uint64_t>(columns), ld),
               "describe a matrix");
  };
  Layout a, b, c;
  layout(b, p.dtype, p.b_transposed ? p.k : p.n, p.b_transposed ? p.n : p.k, p.ldb);
  layout(a, p.dtype, p.a_transposed ? p.m : p.k, p.a_transposed ? p.k : p.m, p.lda);
  layout(c, p.c_dtype, p.n, p.m, p.ldc);

  Preference preference;
  check_blas(cuda_blas().MatmulPreferenceCreate(preference.address()), "choose a product");
  set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, static_cast<uint64_t>(cuda::kMatmulWorkspace));
  set(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
      static_cast<uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
  const void* const start = p.start ? p.start : p.c;
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignment_of(p.b));
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignment_of(p.a));
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignment_of(start));
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignment_of(p.c));
  cublasLtMatmulHeuristicResult_t best{};
  int found = 0;
  check_blas(cuda_blas().MatmulAlgoGetHeuristic(blas_, description, b, a, c, c, preference, 1, &best, &found),
             "choose a product");
  if (found == 0) check_blas(CUBLAS_STATUS_NOT_SUPPORTED, "choose a product");

  const float one = 1, beta = p.start ? 1.0f : 0.0f;
  check_blas(cuda_blas().Matmul(blas_, description, &one, p.b, b, p.a, a, &beta, start, c, p.c, c, &best.algo,
                                p.workspace, static_cast<size_t>(cuda::kMatmulWorkspace), stream_),
             "multiply matrices");
}

}  // namespace tidemark::device
