#include "executor/device/cuda_blas.h"

#include <gtest/gtest.h>

#include "base/cuda_library.h"

namespace tidemark::device {
namespace {

/// It is not linked, so only this sees a misspelt name where there is no GPU.
TEST(CudaBlas, HasEveryFunction) {
  if (!CudaLibrary({"libcublasLt.so." + std::to_string(CUBLAS_VER_MAJOR)})) GTEST_SKIP() << "it is not here";
  EXPECT_NO_THROW(cuda_blas());
}

}  // namespace
}  // namespace tidemark::device
