# What every target shares: language, warnings, sanitizers, the include root.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

find_program(TIDEMARK_CCACHE ccache)
if(TIDEMARK_CCACHE)
  # The sloppiness that ccache wants before it caches what was compiled with a precompiled header.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${TIDEMARK_CCACHE})
endif()

add_library(tidemark_options INTERFACE)
target_include_directories(tidemark_options INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(
  tidemark_options
  INTERFACE
    "$<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wpedantic;-Wshadow;-Wnon-virtual-dtor>"
    # nvcc writes line markers that -Wpedantic objects to.
    "$<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra,-Wshadow,-Wnon-virtual-dtor>")
# GCC 12 sees overlapping copies inside std::string that are not there (its bug 105651).
target_compile_options(tidemark_options INTERFACE $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-restrict>)
if(TIDEMARK_WERROR)
  target_compile_options(
    tidemark_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Werror>
                               $<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings>
                               $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Werror>)
endif()
if(TIDEMARK_SANITIZE)
  target_compile_options(tidemark_options INTERFACE -fsanitize=${TIDEMARK_SANITIZE}
                         -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(tidemark_options INTERFACE -fsanitize=${TIDEMARK_SANITIZE})
endif()

if(TIDEMARK_PORTABLE)
  list(PREPEND CMAKE_FIND_LIBRARY_SUFFIXES .a)
  target_link_options(tidemark_options INTERFACE -static-libstdc++ -static-libgcc)
endif()

# tidemark_module(NAME SOURCES… LINK targets…): the library tidemark_NAME.
function(tidemark_module name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_library(tidemark_${name} STATIC ${ARG_SOURCES})
  target_link_libraries(tidemark_${name} PUBLIC tidemark_options ${ARG_LINK})
endfunction()

# tidemark_companion(NAME SOURCES… LINK targets…): libtidemark_NAME.so, which lies beside the command and is loaded
# by what needs it. Of that program it must not replace any symbol, nor be replaced.
function(tidemark_companion name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_library(tidemark_${name} SHARED ${ARG_SOURCES})
  target_link_libraries(tidemark_${name} PRIVATE ${ARG_LINK})
  target_link_options(tidemark_${name} PRIVATE -Wl,--exclude-libs,ALL -Wl,-Bsymbolic)
  set_target_properties(tidemark_${name} PROPERTIES CXX_VISIBILITY_PRESET hidden
                        LIBRARY_OUTPUT_DIRECTORY ${CMAKE_RUNTIME_OUTPUT_DIRECTORY})
endfunction()

# tidemark_texts(VARIABLE FILES…): the files as entries of a C++ map from name to text, made anew where one changes.
function(tidemark_texts variable)
  set(entries "")
  foreach(file ${ARGN})
    get_filename_component(name ${file} NAME_WLE)
    file(READ ${file} text)
    string(APPEND entries "    {\"${name}\", R\"json(${text})json\"},\n")
  endforeach()
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${ARGN})
  set(${variable} "${entries}" PARENT_SCOPE)
endfunction()

# Tests are compiled more often than they run long.
add_library(tidemark_test_options INTERFACE)
target_link_libraries(tidemark_test_options INTERFACE tidemark_options)
target_compile_options(tidemark_test_options INTERFACE $<$<CONFIG:Release>:-O1>)
# Through a precompiled header, more of GCC 12's false alarms about std::string (its bug 105651) are heard.
target_compile_options(
  tidemark_test_options
  INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-array-bounds$<SEMICOLON>-Wno-stringop-overflow$<SEMICOLON>-Wno-stringop-overread>)

# tidemark_test(NAME LABEL label [PCH target] SOURCES… LINK targets…): a GoogleTest program; each test carries
# LABEL, but for the instances named Thousands, which are `exhaustive`: too many for a sanitizer. PCH has the
# headers that most tests spend their compile time on; tests_pch unless named.
function(tidemark_test name)
  cmake_parse_arguments(ARG "" "LABEL;PCH" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  if(NOT ARG_PCH)
    set(ARG_PCH tests_pch)
  endif()
  target_precompile_headers(${name} REUSE_FROM ${ARG_PCH})
  target_link_libraries(${name} PRIVATE tidemark_test_options ${ARG_LINK} GTest::gtest_main GTest::gmock)
  target_compile_definitions(${name} PRIVATE
    TIDEMARK_TEST_DATA="${PROJECT_SOURCE_DIR}/tests/data" TIDEMARK_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  gtest_discover_tests(${name} TEST_FILTER -Thousands/* PROPERTIES LABELS ${ARG_LABEL} DISCOVERY_TIMEOUT 60)
  gtest_discover_tests(${name} TEST_FILTER Thousands/* TEST_LIST ${name}_THOUSANDS
    PROPERTIES LABELS exhaustive DISCOVERY_TIMEOUT 60)
endfunction()

# tidemark_test_pch(NAME HEADERS headers… LINK targets…): for tests that LINK the same.
function(tidemark_test_pch name)
  cmake_parse_arguments(ARG "" "" "HEADERS;LINK" ${ARGN})
  add_library(${name} OBJECT ${PROJECT_SOURCE_DIR}/tests/pch.cpp)
  target_link_libraries(${name} PRIVATE tidemark_test_options ${ARG_LINK} GTest::gtest GTest::gmock)
  target_precompile_headers(${name} PRIVATE <gmock/gmock.h> <gtest/gtest.h> <random> ${ARG_HEADERS})
endfunction()
