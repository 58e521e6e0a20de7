// Five steps of torch.optim.AdamW with clipped gradients: losses, norms and the weights at the end.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "executor/training/initialize.h"
#include "executor/training/reference.h"
#include "executor/training/session.h"
#include "executor/training/state.h"
#include "tests/parity/parity_case.h"

namespace tidemark {
namespace {

class AdamWCurve : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Cases, AdamWCurve,
                         ::testing::Values("deepseek_v3_groups", "fvsbn_order", "gru_tied", "llama",
                                           "lru_ragged", "lstm", "made_direct", "mamba", "mamba2_rows",
                                           "nade_order", "qwen2", "retnet_postnorm", "rnn_relu",
                                           "rwkv_columns", "rwkv7_heads", "s4_last", "s4d_zoh",
                                           "transformer_norm_first"),
                         [](const auto& name) { return std::string(name.param); });

AdamW optimizer_of(const nlohmann::json& facts) {
  AdamW o;
  o.beta1 = facts["betas"][0];
  o.beta2 = facts["betas"][1];
  o.epsilon = facts["eps"];
  o.weight_decay = facts["weight_decay"];
  o.clip_norm = facts["clip_grad_norm"];
  o.decay_all = facts["decay_applies_to"] == "all parameters";
  return o;
}

TEST_P(AdamWCurve, AgreesWithPyTorch) {
  const std::string name = GetParam();
  const ParityCase c(name);
  const nlohmann::json facts = read_json(ParityCase::file(name + ".adamw.json"), "test data");
  // PyTorch's own float32 against the float64 that it was computed in.
  const nlohmann::json own_errors = facts.value("float32_errors", nlohmann::json::object());
  const TensorReader end(ParityCase::file(name + ".adamw.safetensors"));
  const Graph graph = c.graph({.optimizer = optimizer_of(facts)});
  for (bool smallest : {false, true}) {
    const Plan plan = parity_plan(graph, smallest ? "chain-dp" : "keep-all", smallest, 2, c.micro_batches());
    Runtime runtime(graph, plan);
    initialize_parameters(runtime, 0);
    load_parameters(runtime, c.reference, "weight/");
    fill_inputs(runtime, c.batch);
    Session session(runtime, {.peak = facts["lr"]}, 0);
    for (size_t i = 0; i < facts["loss_before_step"].size(); ++i) {
      const StepResult result = session.step([&](Runtime&, int64_t, int micro_batch) {
        c.model->fill_constants(micro_batch, input_view(runtime));
      });
      EXPECT_NEAR(result.loss, facts["loss_before_step"][i].get<double>(), 2e-5) << i;
      const double norm = facts["grad_norm_before_clip"][i];
      EXPECT_NEAR(result.grad_norm, norm, 1e-4 * norm) << i;
    }
    for (const TensorSlot& slot : parameter_slots(runtime)) {
      std::vector<float> expected(static_cast<size_t>(slot.type.shape.elements()));
      end.read("final/" + slot.name, slot.type, expected.data());
      const auto* actual = static_cast<const float*>(slot.data);
      double difference = 0, size = 0;
      for (size_t i = 0; i < expected.size(); ++i) {
        difference += std::pow(double{actual[i]} - double{expected[i]}, 2);
        size += std::pow(double{expected[i]}, 2);
      }
      EXPECT_LE(std::sqrt(difference / size), std::max(1e-4, 10 * own_errors.value(slot.name, 0.0)))
          << slot.name;
    }
  }
}

}  // namespace
}  // namespace tidemark
