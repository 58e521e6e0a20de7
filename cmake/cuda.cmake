# The CUDA toolkit, where the option asks for it and it is there: the language, its warnings, and
# TIDEMARK_HAS_CUDA (ON or OFF), which decides whether anything of CUDA is built.

set(TIDEMARK_HAS_CUDA OFF)
if(NOT TIDEMARK_CUDA)
  return()
endif()

include(CheckLanguage)
find_package(CUDAToolkit 12.4 QUIET)
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  # Machine code of the H100, and PTX for what comes after it. The preset `cuda` has more.
  set(CMAKE_CUDA_ARCHITECTURES 90)
endif()
if(CUDAToolkit_FOUND)
  if(NOT DEFINED CMAKE_CUDA_COMPILER AND CUDAToolkit_NVCC_EXECUTABLE)
    set(CMAKE_CUDA_COMPILER ${CUDAToolkit_NVCC_EXECUTABLE})
  endif()
  check_language(CUDA)
endif()
if(NOT CMAKE_CUDA_COMPILER)
  message(STATUS "tidemark: no CUDA toolkit (12.4 or later) found: building without the CUDA backend")
  return()
endif()

enable_language(CUDA)
set(TIDEMARK_HAS_CUDA ON)
if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
  # CMake 3.25 does not know that nvcc speaks C++20.
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
endif()
set(CMAKE_CUDA_STANDARD 20)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
set(CMAKE_CUDA_EXTENSIONS OFF)
if(TIDEMARK_CCACHE)
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${TIDEMARK_CCACHE})
endif()
message(STATUS "tidemark: CUDA ${CUDAToolkit_VERSION}, architectures ${CMAKE_CUDA_ARCHITECTURES}")
