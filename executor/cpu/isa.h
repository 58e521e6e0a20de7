// Instruction sets, chosen at run time.
//
// Files named *.simd.cpp are compiled once for AVX2+FMA (x86-64-v3) and once for AVX-512 (x86-64-v4),
// each into its own namespace. They hold pure functions over ranges: no threads, no standard-library
// templates (a weak symbol compiled for AVX-512 could otherwise end up in everybody's code; a test
// looks for that). What is compiled once calls them through TIDEMARK_SIMD.
#pragma once

#include <string_view>

namespace tidemark::cpu {

enum class Isa { avx2, avx512 };

bool isa_available(Isa isa);

/// The best one this machine has, or what the environment variable TIDEMARK_ISA (avx2, avx512) or
/// set_isa asks for.
Isa isa();
/// Throws Error where the machine lacks it. Not while kernels run.
void set_isa(Isa isa);

std::string_view isa_name();

}  // namespace tidemark::cpu

/// Declares functions of a *.simd.cpp file in both namespaces.
#define TIDEMARK_SIMD_DECLARE(...) \
  namespace avx2 {                 \
  __VA_ARGS__                      \
  }                                \
  namespace avx512 {               \
  __VA_ARGS__                      \
  }

/// The function of that name for the instruction set in use.
#define TIDEMARK_SIMD(function) \
  (::tidemark::cpu::isa() == ::tidemark::cpu::Isa::avx512 ? &avx512::function : &avx2::function)
