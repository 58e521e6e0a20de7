// cuBLASLt, loaded when the first CUDA device is opened: linked, it costs every command 150 MiB and 0.2 s to
// start.
#pragma once

#include <cublasLt.h>

namespace tidemark::device {

/// Its functions, each by its name without the prefix.
struct CudaBlas {
  decltype(cublasLtGetStatusString)* GetStatusString;
  decltype(cublasLtCreate)* Create;
  decltype(cublasLtDestroy)* Destroy;
  decltype(cublasLtMatmulDescCreate)* MatmulDescCreate;
  decltype(cublasLtMatmulDescDestroy)* MatmulDescDestroy;
  decltype(cublasLtMatmulDescSetAttribute)* MatmulDescSetAttribute;
  decltype(cublasLtMatrixLayoutCreate)* MatrixLayoutCreate;
  decltype(cublasLtMatrixLayoutDestroy)* MatrixLayoutDestroy;
  decltype(cublasLtMatmulPreferenceCreate)* MatmulPreferenceCreate;
  decltype(cublasLtMatmulPreferenceDestroy)* MatmulPreferenceDestroy;
  decltype(cublasLtMatmulPreferenceSetAttribute)* MatmulPreferenceSetAttribute;
  decltype(cublasLtMatmulAlgoGetHeuristic)* MatmulAlgoGetHeuristic;
  decltype(cublasLtMatmul)* Matmul;
};

/// Throws Error, exit status 3, where the library is not found or lacks one of them.
const CudaBlas& cuda_blas();

}  // namespace tidemark::device
