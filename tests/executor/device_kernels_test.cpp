// Which ops have a device kernel. Each of those is checked wherever OpCase checks the op.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <string>

#include "graph/autodiff.h"
#include "models/model.h"
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

// A model runs on CUDA only if none of its training's ops is missing.
TEST(DeviceKernels, AreThereForTheseFamilies) {
  const std::set<std::string> missing = ops_without_a_device_kernel();
  for (const char* preset :
       {"llama-tiny", "rwkv-tiny", "mamba-tiny", "lru-tiny", "fvsbn-tiny", "made-tiny", "transformer-tiny"})
    for (DType dtype : {DType::f32, DType::bf16}) {
      const auto model = model_from_preset(preset);
      const int64_t length = model->pixels() > 0 ? model->pixels() : 32;
      const BatchSpec batch{.tokens = 2 * length, .sequences = 2, .max_length = length, .dtype = dtype};
      const Graph graph = make_training_graph(model->build(batch), {.micro_batches = 2});
      for (const Op& op : graph.ops())
        EXPECT_FALSE(missing.contains(std::string(op.def->name))) << preset << ": " << op.def->name;
    }
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
