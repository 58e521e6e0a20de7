// Which ops have a device kernel. Each of those is checked wherever OpCase checks the op.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <string>

#include "graph/cuda_workspace.h"
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

// It shrinks: an op that gets a device kernel leaves the list, and none may join it.
TEST(DeviceKernels, AreMissingForTheseOpsAlone) {
  const std::set<std::string> known = {"masked_linear",
                                       "masked_linear_grad_input",
                                       "masked_linear_grad_weight",
                                       "gated_rms_norm",
                                       "gated_rms_norm_grad",
                                       "layer_norm",
                                       "layer_norm_grad",
                                       "batch_norm",
                                       "batch_norm_grad",
                                       "eager_attention",
                                       "eager_attention_grad",
                                       "binary_cross_entropy",
                                       "nade",
                                       "nade_grad",
                                       "binary_cross_entropy_grad",
                                       "rnn_layer",
                                       "rnn_layer_grad",
                                       "lstm_layer",
                                       "lstm_layer_grad",
                                       "gru_layer",
                                       "gru_layer_grad",
                                       "causal_conv1d",
                                       "recurrent_weight_grad",
                                       "causal_conv1d_grad",
                                       "selective_scan",
                                       "selective_scan_grad",
                                       "ssd_scan",
                                       "ssd_scan_grad",
                                       "diagonal_scan",
                                       "diagonal_scan_grad",
                                       "ssm_kernel",
                                       "ssm_kernel_grad",
                                       "long_convolution",
                                       "retention",
                                       "long_convolution_grad",
                                       "retention_grad",
                                       "scale_rows",
                                       "scale_rows_grad",
                                       "skip_gelu",
                                       "skip_gelu_grad",
                                       "pool",
                                       "pool_grad"};
  EXPECT_EQ(ops_without_a_device_kernel(), known);
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
