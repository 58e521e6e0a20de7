#include "base/cuda_library.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

namespace tidemark {
namespace {

/// A program that runs on one version of a library, on a machine that has a newer one, too.
TEST(CudaLibrary, WhatTheProgramHasComesFirst) {
  ASSERT_TRUE(::dlopen("libtidemark_twin.so.1", RTLD_LAZY | RTLD_LOCAL)) << ::dlerror();
  EXPECT_EQ(CudaLibrary({"libtidemark_twin.so.2", "libtidemark_twin.so.1"}).call("twin_version", -1), 1);
  EXPECT_EQ(CudaLibrary({"libtidemark_twin.so.2"}).call("twin_version", -1), 2);
}

TEST(CudaLibrary, MayBeAbsent) {
  const CudaLibrary library({"libtidemark_nowhere.so.1"});
  EXPECT_FALSE(library);
  EXPECT_EQ(library.call("twin_version", -1), -1);
  EXPECT_EQ(CudaLibrary({"libtidemark_twin.so.1"}).call("another", -1), -1);
}

}  // namespace
}  // namespace tidemark
