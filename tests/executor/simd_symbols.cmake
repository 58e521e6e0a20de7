# Fails if an object of a *.simd.cpp file defines a weak symbol outside its instruction set's namespace: the
# linker could take that one, compiled for AVX-512, for everybody.
# cmake -DNM=nm -DISA=avx2 "-DOBJECTS=a.o;b.o" -P simd_symbols.cmake
if(NOT OBJECTS)
  message(FATAL_ERROR "no objects to look at")
endif()
foreach(object IN LISTS OBJECTS)
  execute_process(COMMAND ${NM} --defined-only --demangle ${object}
    OUTPUT_VARIABLE symbols RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "nm cannot read ${object}")
  endif()
  string(REGEX MATCHALL "[0-9a-f]+ [WVu] [^\n]+" weak "${symbols}")
  foreach(symbol IN LISTS weak)
    if(NOT symbol MATCHES "::${ISA}::")
      message(SEND_ERROR "${object}: ${symbol}")
    endif()
  endforeach()
endforeach()
