// Loss and every gradient against PyTorch, under every strategy.
#include <gtest/gtest.h>

#include <algorithm>

#include "executor/training/reference.h"
#include "tests/parity/parity_case.h"

namespace tidemark {
namespace {

// PyTorch's own float32 gradients differ from its float64 ones by about 1e-6; S4D's of the real parts of A,
// which are differences of large numbers, by up to 3e-5. RWKV-7's of the bias of its learning rates are sums
// that cancel: ours of float32 differ from float64's by 1.2e-5.
double tolerance(const std::string& name) {
  return name == "s4d" ? 5e-5 : name == "rwkv7" ? 2e-5 : 1e-5;
}

class Gradients : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Cases, Gradients,
                         ::testing::Values("deepseek_v3", "deepseek_v3_groups", "fvsbn", "fvsbn_order", "gru",
                                           "gru_tied", "llama", "llama_packed", "lru", "lru_ragged", "lstm",
                                           "made", "made_direct", "mamba", "mamba2", "mamba2_groups",
                                           "mamba2_limits", "mamba2_ragged", "mamba2_rows", "mamba_variants",
                                           "nade", "nade_order", "qwen2", "retnet", "retnet_postnorm", "rnn",
                                           "rnn_relu", "rwkv", "rwkv_columns", "rwkv7", "rwkv7_columns",
                                           "rwkv7_heads", "s4", "s4_last", "s4d", "s4d_zoh", "transformer",
                                           "transformer_norm_first"),
                         [](const auto& name) { return std::string(name.param); });

size_t gradients_of(const TensorReader& reference) {
  const auto& tensors = reference.tensors();
  return static_cast<size_t>(std::count_if(
      tensors.begin(), tensors.end(), [](const auto& tensor) { return tensor.first.starts_with("grad/"); }));
}

TEST_P(Gradients, AgreeWithPyTorch) {
  const ParityCase c(GetParam());
  const Graph graph = c.graph({.optimizer = std::nullopt});
  for (const char* strategy : {"keep-all", "sqrt", "chain-dp"})
    for (int threads : {1, 2}) {
      const Plan plan = parity_plan(graph, strategy, true, threads, c.micro_batches());
      Runtime runtime(graph, plan);
      const Comparison result = compare_with_reference(runtime, *c.model, c.batch, c.reference);
      EXPECT_LE(result.loss_error, 1e-6) << strategy;
      EXPECT_LE(result.worst_error, tolerance(GetParam())) << strategy << ": " << result.worst_gradient;
      EXPECT_EQ(result.errors.size(), gradients_of(c.reference));
      EXPECT_EQ(runtime.resident_bytes(), plan.arena_bytes);
    }
}

TEST_P(Gradients, AWrongWeightIsFound) {
  const ParityCase c(GetParam());
  const Graph graph = c.graph({.optimizer = std::nullopt});
  const Plan plan = parity_plan(graph, "keep-all", false, 1, c.micro_batches());
  Runtime runtime(graph, plan);
  ReferenceBatch other = c.batch;
  if (other.x.empty())
    other.inputs["input_ids"][0] ^= 1;
  else
    other.x[0] = 1 - other.x[0];
  EXPECT_FALSE(compare_with_reference(runtime, *c.model, other, c.reference).passed(1e-4));
}

}  // namespace
}  // namespace tidemark
