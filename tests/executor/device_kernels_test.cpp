// Which ops have a device kernel. Each of those is checked wherever OpCase checks the op.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <string>

#include "tests/executor/op_device.h"

namespace tidemark {
namespace {

std::set<std::string> ops_without_a_device_kernel() {
  std::set<std::string> missing;
  for (const OpDef* def : op_registry())
    if (!test::op_devices().front()->has(def->name)) missing.insert(std::string(def->name));
  return missing;
}

/// The table row's cell after `op` in docs/ops.md: whether it says that the op runs on CUDA.
bool documented(const std::string& op) {
  std::ifstream file(TIDEMARK_SOURCE_DIR "/docs/ops.md");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("| " + op + " |")) return line.ends_with("| yes |");
  ADD_FAILURE() << op << " has no row";
  return false;
}

TEST(DeviceKernels, AreThereForEveryOp) {
  EXPECT_THAT(ops_without_a_device_kernel(), ::testing::IsEmpty());
}

TEST(DeviceKernels, AreDocumented) {
  const std::set<std::string> missing = ops_without_a_device_kernel();
  for (const OpDef* def : op_registry()) {
    const std::string op(def->name);
    EXPECT_EQ(documented(op), !missing.contains(op)) << op;
  }
}

}  // namespace
}  // namespace tidemark
