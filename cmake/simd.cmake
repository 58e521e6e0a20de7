# tidemark_simd(TARGET files…): compiles each *.simd.cpp once per instruction set, each time into its own
# namespace; executor/cpu/isa.h chooses among them at run time.
function(tidemark_simd target)
  foreach(isa avx2 avx512)
    set(march $<IF:$<STREQUAL:${isa},avx512>,x86-64-v4,x86-64-v3>)
    set(objects ${target}_${isa})
    add_library(${objects} OBJECT ${ARGN})
    target_link_libraries(${objects} PRIVATE tidemark_options)
    target_compile_definitions(${objects} PRIVATE TIDEMARK_ISA_NS=${isa})
    target_compile_options(${objects} PRIVATE -march=${march} -O3 -fopenmp-simd -Wno-psabi)
    # GCC 12's own AVX-512 header trips both (its bug 105593).
    target_compile_options(${objects} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized -Wno-uninitialized>)
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:${objects}>)
  endforeach()
endfunction()
