// cuBLASLt's matrix products on the emulated GPU: those that Tidemark asks for, with the library's rules for
// what it is told. Loaded in the place of libcublasLt.
#include <cublasLt.h>

#include <bit>
#include <cstdint>
#include <cstring>
#include <vector>

#include "tests/gpu/emulated/gpu.h"

namespace {

using tidemark::emulated::Gpu;
using tidemark::emulated::Stream;

struct Description {
  cublasOperation_t transpose_a = CUBLAS_OP_N, transpose_b = CUBLAS_OP_N;
  cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  const void* bias = nullptr;
  cudaDataType_t bias_type = CUDA_R_32F;
};
struct Layout {
  cudaDataType_t type;
  int64_t rows, columns, ld;
};
struct Preference {
  uint64_t workspace = 0;
  uint32_t alignment[4] = {256, 256, 256, 256};
};
/// What an algorithm was chosen for; it is good for nothing else.
struct Algorithm {
  uint64_t m, n, k, workspace;
  uint32_t alignment[4];
};
static_assert(sizeof(Algorithm) <= sizeof(cublasLtMatmulAlgo_t));

template <typename T, typename Handle>
T& of(Handle handle) {
  return *reinterpret_cast<T*>(handle);
}

size_t bytes_of(cudaDataType_t type) {
  return type == CUDA_R_16BF ? 2 : 4;
}
float load(cudaDataType_t type, const void* at, int64_t i) {
  if (type == CUDA_R_16BF)
    return std::bit_cast<float>(static_cast<uint32_t>(static_cast<const uint16_t*>(at)[i]) << 16);
  return static_cast<const float*>(at)[i];
}
void store(cudaDataType_t type, void* at, int64_t i, float x) {
  if (type != CUDA_R_16BF) {
    static_cast<float*>(at)[i] = x;
    return;
  }
  auto bits = std::bit_cast<uint32_t>(x);
  bits = x != x ? 0x7fff0000 : bits + 0x7fff + (bits >> 16 & 1);
  static_cast<uint16_t*>(at)[i] = static_cast<uint16_t>(bits >> 16);
}

struct Product {
  Description description;
  Layout a, b, c;
  const void *at_a, *at_b, *at_c;
  void* at_d;
  float alpha, beta;
  int64_t m, n, k;
  void* workspace;
  size_t workspace_bytes;
};

void multiply(const Product& p) {
  std::memset(p.workspace, 0xff, p.workspace_bytes < 4096 ? p.workspace_bytes : 4096);
  std::vector<float> a(static_cast<size_t>(p.m * p.k));  // by k, then m
  for (int64_t l = 0; l < p.k; ++l)
    for (int64_t i = 0; i < p.m; ++i)
      a[static_cast<size_t>(l * p.m + i)] =
          load(p.a.type, p.at_a, p.description.transpose_a == CUBLAS_OP_T ? i * p.a.ld + l : l * p.a.ld + i);
  std::vector<float> sums(static_cast<size_t>(p.m));
  for (int64_t j = 0; j < p.n; ++j) {
    std::fill(sums.begin(), sums.end(), 0.0f);
    for (int64_t l = 0; l < p.k; ++l) {
      const float b =
          load(p.b.type, p.at_b, p.description.transpose_b == CUBLAS_OP_T ? l * p.b.ld + j : j * p.b.ld + l);
      const float* const column = &a[static_cast<size_t>(l * p.m)];
      for (int64_t i = 0; i < p.m; ++i) sums[static_cast<size_t>(i)] += column[i] * b;
    }
    for (int64_t i = 0; i < p.m; ++i) {
      float x = p.alpha * sums[static_cast<size_t>(i)];
      if (p.beta != 0) x += p.beta * load(p.c.type, p.at_c, j * p.c.ld + i);
      if (p.description.epilogue == CUBLASLT_EPILOGUE_BIAS)
        x += load(p.description.bias_type, p.description.bias, i);
      store(p.c.type, p.at_d, j * p.c.ld + i, x);
    }
  }
}

template <typename T>
cublasStatus_t read_attribute(T& to, const void* from, size_t bytes) {
  if (bytes != sizeof to) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(&to, from, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

bool fits(const Layout& l, const void* at, uint32_t alignment) {
  const auto elements = static_cast<size_t>((l.columns - 1) * l.ld + l.rows);
  return l.ld >= l.rows && reinterpret_cast<uintptr_t>(at) % alignment == 0 &&
         Gpu::instance().memory.holds(at, elements * bytes_of(l.type));
}

/// m, n and k of op(A) op(B), and whether C is of that form.
bool sizes(const Description& d, const Layout& a, const Layout& b, const Layout& c, Algorithm& s) {
  const bool ta = d.transpose_a == CUBLAS_OP_T, tb = d.transpose_b == CUBLAS_OP_T;
  s.m = static_cast<uint64_t>(ta ? a.columns : a.rows);
  s.k = static_cast<uint64_t>(ta ? a.rows : a.columns);
  s.n = static_cast<uint64_t>(tb ? b.rows : b.columns);
  return static_cast<uint64_t>(tb ? b.columns : b.rows) == s.k && static_cast<uint64_t>(c.rows) == s.m &&
         static_cast<uint64_t>(c.columns) == s.n && a.type == b.type &&
         (c.type == a.type || c.type == CUDA_R_32F);
}

}  // namespace

extern "C" {

const char* cublasLtGetStatusString(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS: return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_INVALID_VALUE: return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_NOT_SUPPORTED: return "CUBLAS_STATUS_NOT_SUPPORTED";
    default: return "an error of the emulated cuBLASLt";
  }
}
cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  *handle = reinterpret_cast<cublasLtHandle_t>(new int(0));
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  delete reinterpret_cast<int*>(handle);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* description, cublasComputeType_t compute,
                                        cudaDataType_t scale) {
  if (compute != CUBLAS_COMPUTE_32F || scale != CUDA_R_32F) return CUBLAS_STATUS_NOT_SUPPORTED;
  *description = reinterpret_cast<cublasLtMatmulDesc_t>(new Description);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t description) {
  delete &of<Description>(description);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t description,
                                              cublasLtMatmulDescAttributes_t attribute, const void* value,
                                              size_t bytes) {
  auto& d = of<Description>(description);
  switch (attribute) {
    case CUBLASLT_MATMUL_DESC_TRANSA: return read_attribute(d.transpose_a, value, bytes);
    case CUBLASLT_MATMUL_DESC_TRANSB: return read_attribute(d.transpose_b, value, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE: return read_attribute(d.epilogue, value, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER: return read_attribute(d.bias, value, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE: return read_attribute(d.bias_type, value, bytes);
    default: return CUBLAS_STATUS_NOT_SUPPORTED;
  }
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType type, uint64_t rows,
                                          uint64_t columns, int64_t ld) {
  if ((type != CUDA_R_16BF && type != CUDA_R_32F) || rows == 0 || columns == 0)
    return CUBLAS_STATUS_INVALID_VALUE;
  *layout = reinterpret_cast<cublasLtMatrixLayout_t>(
      new Layout{type, static_cast<int64_t>(rows), static_cast<int64_t>(columns), ld});
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  delete &of<Layout>(layout);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  *preference = reinterpret_cast<cublasLtMatmulPreference_t>(new Preference);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  delete &of<Preference>(preference);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t attribute,
                                                    const void* value, size_t bytes) {
  auto& p = of<Preference>(preference);
  uint32_t reductions = 0;
  switch (attribute) {
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES: return read_attribute(p.workspace, value, bytes);
    case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK: return read_attribute(reductions, value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES: return read_attribute(p.alignment[0], value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES: return read_attribute(p.alignment[1], value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES: return read_attribute(p.alignment[2], value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES: return read_attribute(p.alignment[3], value, bytes);
    default: return CUBLAS_STATUS_NOT_SUPPORTED;
  }
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t description,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t,
                                              cublasLtMatmulPreference_t preference, int requested,
                                              cublasLtMatmulHeuristicResult_t results[], int* found) {
  *found = 0;
  Algorithm algorithm{};
  if (requested < 1 ||
      !sizes(of<Description>(description), of<Layout>(a), of<Layout>(b), of<Layout>(c), algorithm))
    return CUBLAS_STATUS_INVALID_VALUE;
  const auto& p = of<Preference>(preference);
  algorithm.workspace = p.workspace;  // all that it may have
  std::memcpy(algorithm.alignment, p.alignment, sizeof p.alignment);
  results[0] = {};
  std::memcpy(&results[0].algo, &algorithm, sizeof algorithm);
  results[0].workspaceSize = p.workspace;
  results[0].state = CUBLAS_STATUS_SUCCESS;
  *found = 1;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t description, const void* alpha,
                              const void* at_a, cublasLtMatrixLayout_t a, const void* at_b,
                              cublasLtMatrixLayout_t b, const void* beta, const void* at_c,
                              cublasLtMatrixLayout_t c, void* at_d, cublasLtMatrixLayout_t,
                              const cublasLtMatmulAlgo_t* algo, void* workspace, size_t workspace_bytes,
                              cudaStream_t stream) {
  Algorithm chosen, now{};
  std::memcpy(&chosen, algo, sizeof chosen);
  const auto& d = of<Description>(description);
  const Layout la = of<Layout>(a), lb = of<Layout>(b), lc = of<Layout>(c);
  if (!sizes(d, la, lb, lc, now) || now.m != chosen.m || now.n != chosen.n || now.k != chosen.k)
    return CUBLAS_STATUS_INVALID_VALUE;
  const uint32_t* const aligned = chosen.alignment;
  const auto biased = static_cast<size_t>(now.m) * bytes_of(d.bias_type);
  const tidemark::emulated::DeviceMemory& memory = Gpu::instance().memory;
  if (!fits(la, at_a, aligned[0]) || !fits(lb, at_b, aligned[1]) || !fits(lc, at_c, aligned[2]) ||
      !fits(lc, at_d, aligned[3]) || workspace_bytes < chosen.workspace ||
      !memory.holds(workspace, workspace_bytes) ||
      (d.epilogue == CUBLASLT_EPILOGUE_BIAS && !memory.holds(d.bias, biased)))
    return CUBLAS_STATUS_INVALID_VALUE;
  const Product product{d,
                        la,
                        lb,
                        lc,
                        at_a,
                        at_b,
                        at_c,
                        at_d,
                        *static_cast<const float*>(alpha),
                        *static_cast<const float*>(beta),
                        static_cast<int64_t>(now.m),
                        static_cast<int64_t>(now.n),
                        static_cast<int64_t>(now.k),
                        workspace,
                        workspace_bytes};
  const cudaError_t status =
      Gpu::instance().start(*reinterpret_cast<Stream*>(stream), [product] { multiply(product); });
  return status == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}

}  // extern "C"
