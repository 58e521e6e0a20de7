// What `tidemark profile -- COMMAND` and libtidemark_inject.so agree on: names of environment variables.
#pragma once

namespace tidemark {

inline constexpr const char* kInjectionFolder = "TIDEMARK_INJECT_FOLDER";    ///< where traces go
inline constexpr const char* kInjectionKernels = "TIDEMARK_INJECT_KERNELS";  ///< "0": memory alone

}  // namespace tidemark
