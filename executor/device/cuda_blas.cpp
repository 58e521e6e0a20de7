#include "executor/device/cuda_blas.h"

#include <string>

#include "base/cuda_library.h"
#include "base/error.h"

namespace tidemark::device {
namespace {

CudaBlas load() {
  // Of the version that this was compiled for: another's types may be others.
  const std::string name = "libcublasLt.so." + std::to_string(CUBLAS_VER_MAJOR);
  const CudaLibrary library({name});
  const auto fail = [&name](const std::string& why) {
    throw Error("CUDA failed", name, why,
                "install cuBLAS of CUDA " + std::to_string(CUBLAS_VER_MAJOR) +
                    ", add its folder to LD_LIBRARY_PATH, or use --backend cpu",
                ExitCode::failure);
  };
  if (!library) fail("it is neither in the loader's path nor in CUDA's folders");
  CudaBlas blas{};
#define FIND(function) \
  if (!library.find(blas.function, "cublasLt" #function)) fail("it lacks cublasLt" #function)
  FIND(GetStatusString);
  FIND(Create);
  FIND(Destroy);
  FIND(MatmulDescCreate);
  FIND(MatmulDescDestroy);
  FIND(MatmulDescSetAttribute);
  FIND(MatrixLayoutCreate);
  FIND(MatrixLayoutDestroy);
  FIND(MatmulPreferenceCreate);
  FIND(MatmulPreferenceDestroy);
  FIND(MatmulPreferenceSetAttribute);
  FIND(MatmulAlgoGetHeuristic);
  FIND(Matmul);
#undef FIND
  return blas;
}

}  // namespace

const CudaBlas& cuda_blas() {
  static const CudaBlas blas = load();
  return blas;
}

}  // namespace tidemark::device
