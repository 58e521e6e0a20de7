#include <gtest/gtest.h>

#include "base/error.h"
#include "executor/kernel.h"

namespace tidemark {
namespace {

TEST(KernelRegistry, EveryOpHasACpuKernel) {
  for (const OpDef* def : op_registry()) EXPECT_NO_THROW(find_cpu_kernel(def->name)) << def->name;
}

TEST(KernelRegistry, AnUnknownOpIsAnError) {
  EXPECT_THROW(find_cpu_kernel("softmin"), InternalError);
}

}  // namespace
}  // namespace tidemark
