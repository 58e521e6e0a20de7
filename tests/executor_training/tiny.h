// The tiny presets on random tokens, small enough to run whole under every plan.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "executor/io/batch.h"
#include "executor/io/image_batch.h"
#include "executor/io/number_batch.h"
#include "executor/io/pair_batch.h"
#include "executor/training/initialize.h"
#include "executor/training/session.h"
#include "executor/training/state.h"
#include "graph/autodiff.h"
#include "planner/planner.h"
#include "tests/sanitized.h"

namespace tidemark {

struct TinyOptions {
  std::string preset = "llama-tiny";
  std::string changes = "{}";  ///< to its config
  int micro_batches = 1;
  DType dtype = DType::f32;
  bool optimizer = true;  ///< without: gradients are the graph's outputs
  bool masters = true;
  bool clip = true;  ///< without: a parameter can be updated as soon as its gradient is there
};

/// One of every family that trains.
inline constexpr const char* kTinyPresets[] = {
    "llama-tiny",  "rnn-tiny",  "lstm-tiny",        "gru-tiny",   "fvsbn-tiny",    "nade-tiny",
    "made-tiny",   "lru-tiny",  "s4-tiny",          "s4d-tiny",   "mamba-tiny",    "mamba2-tiny",
    "retnet-tiny", "rwkv-tiny", "transformer-tiny", "rwkv7-tiny", "moonlight-tiny"};

/// gtest's names are of letters, digits and underscores.
inline std::string preset_test_name(const ::testing::TestParamInfo<const char*>& preset) {
  std::string name = preset.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

constexpr int kPatience = 12;

inline const std::vector<const char*> kStrategies =
    kSanitized ? std::vector{"local-search"} : std::vector{"local-search", "chain-dp", "sqrt"};
inline const std::vector<int> kThreads = kSanitized ? std::vector{2} : std::vector{1, 2};

/// A preset's graph for a batch, its plans and its runs.
struct Tiny {
  explicit Tiny(const TinyOptions& options) : micro_batches(options.micro_batches), model(changed(options)) {
    const int64_t pixels = model->pixels();
    documents = pixels == 0 && model->family() != "llama";
    spec = {.tokens = 96, .sequences = documents ? 8 : 2, .max_length = 48, .dtype = options.dtype};
    if (model->pair_tokens()) spec.target_tokens = 96;
    if (pixels > 0)
      spec = {.tokens = 6 * pixels, .sequences = 6, .max_length = pixels, .dtype = options.dtype};
    TrainingOptions training{.micro_batches = options.micro_batches};
    training.optimizer->masters = options.masters;
    if (!options.clip) training.optimizer->clip_norm = 0;
    if (!options.optimizer) training.optimizer.reset();
    graph = make_training_graph(model->build(spec), training);
  }

  PlanResult request(const std::string& strategy, int64_t budget, int threads = 2,
                     OffloadKinds offload = {.activations = false, .states = false}) const {
    PlanRequest r;
    r.strategy = strategy;
    r.offload = offload;
    r.host_link = {.bytes_per_second = 10e9, .overlaps = true};
    // Any plan will do, so none is searched for long.
    if (!offload.any()) r.stop = [asked = 0]() mutable { return ++asked > kPatience; };
    r.budget_bytes = budget;
    r.device.threads = threads;
    r.micro_batches = micro_batches;
    r.times = analytic_times(graph, cpu_speed(threads));
    return make_plan(graph, r);
  }
  Plan keep_all(int threads = 2) const { return request("keep-all", 0, threads).plan.value(); }

  /// The smallest plan that each strategy can make, plans for half of what could be saved, and plans that
  /// offload.
  std::vector<Plan> plans(int threads = 2) const {
    std::vector<Plan> list = {keep_all(threads)};
    const int64_t most = list.front().arena_bytes;
    int64_t least = 0;
    for (const char* strategy : kStrategies) {
      least = request(strategy, 1, threads).smallest_feasible_bytes;
      for (int64_t budget : {least, (least + most) / 2})
        list.push_back(request(strategy, budget, threads).plan.value());
    }
    for (Plan& plan : offload_plans(threads)) list.push_back(std::move(plan));
    return list;
  }

  /// The smallest of what each kind of offload can make of keeping all.
  std::vector<Plan> offload_plans(int threads = 2) const {
    std::vector<Plan> list;
    for (const OffloadKinds& kinds : {OffloadKinds{true, true}, {true, false}, {false, true}}) {
      const int64_t least = request("keep-all", 1, threads, kinds).smallest_feasible_bytes;
      list.push_back(request("keep-all", least, threads, kinds).plan.value());
    }
    return list;
  }

  /// What fills the inputs of a step's micro-batch.
  using Fill = std::function<void(int64_t step, int micro_batch)>;
  Fill fill(const Runtime& runtime) const {
    const BatchView inputs = input_view(runtime);
    if (model->input_columns() > 0) {
      const NumberBatchMaker batches(
          std::make_shared<NumberSource>(NumberSource::synthetic(*model, 12, spec.max_length)), spec, 5);
      return [this, batches, view = number_view(runtime)](int64_t step, int micro_batch) {
        batches.fill(step * micro_batches + micro_batch, view);
      };
    }
    if (model->pair_tokens()) {
      PairBatchMaker batches(std::make_shared<PairSource>(PairSource::synthetic(*model, spec.max_length)),
                             spec, 5);
      return [this, inputs, batches](int64_t step, int micro_batch) mutable {
        batches.fill(step * micro_batches + micro_batch, inputs);
      };
    }
    if (model->pixels() == 0)
      return [inputs, batches = tokens()](int64_t step, int micro_batch) mutable {
        batches.fill(step, micro_batch, inputs);
      };
    const ImageBatchMaker images(std::make_shared<ImageSource>(ImageSource::synthetic(model->pixels())), 5);
    const TensorSlot x{"x", graph.value(graph.require("x")).type, runtime.data<void>("x")};
    return [this, inputs, images, x](int64_t step, int micro_batch) {
      images.fill(step * micro_batches + micro_batch, x);
      model->fill_constants(step * micro_batches + micro_batch, inputs);
    };
  }

  int micro_batches;
  bool documents = false;
  std::unique_ptr<Model> model;
  BatchSpec spec;
  Graph graph;

 private:
  static std::unique_ptr<Model> changed(const TinyOptions& options) {
    nlohmann::json config = model_from_preset(options.preset)->config();
    config.merge_patch(nlohmann::json::parse(options.changes));
    return load_model(config, options.preset);
  }
  BatchMaker tokens() const {
    return {std::make_shared<TokenSource>(TokenSource::synthetic(model->vocabulary())), spec,
            BatchOptions{.packing = documents ? Packing::documents : Packing::windows,
                         .unit = DocumentUnit::separator,
                         .separator = 0,
                         .seed = 5,
                         .micro_batches = micro_batches}};
  }
};

/// A run of a plan from the first step on.
struct TinyRun {
  TinyRun(const Tiny& tiny, const Plan& plan, const RuntimeOptions& options = {})
      : runtime(tiny.graph, plan, options), fill(tiny.fill(runtime)) {
    initialize_parameters(runtime, 11);
  }
  TinyRun(const Tiny&, Plan&&, const RuntimeOptions& = {}) = delete;  // it must outlive the run
  Session::Feed feed() {
    return [this](Runtime&, int64_t step, int micro_batch) { fill(step, micro_batch); };
  }

  Runtime runtime;
  Tiny::Fill fill;
};

using Bits = std::map<std::string, std::string>;  ///< tensors by name, as bytes

inline std::string bits_of(const void* data, int64_t bytes) {
  return {static_cast<const char*>(data), static_cast<size_t>(bytes)};
}

/// Loss and gradients of one micro-batch.
inline Bits gradient_bits(const Tiny& tiny, const Plan& plan, const RuntimeOptions& options = {}) {
  TinyRun run(tiny, plan, options);
  run.fill(0, 0);
  run.runtime.prepare();
  run.runtime.run_micro_batch();
  Bits bits;
  for (ValueId id : tiny.graph.outputs()) {
    const Value& v = tiny.graph.value(id);
    bits[v.name] = bits_of(run.runtime.data(id), v.bytes());
  }
  return bits;
}

/// Losses and norms of some steps, and then all parameters and optimizer states.
inline Bits training_bits(const Tiny& tiny, const Plan& plan, int steps, const RuntimeOptions& options = {}) {
  TinyRun run(tiny, plan, options);
  Session session(run.runtime, {.peak = 1e-2, .warmup_steps = 2}, 11);
  Bits bits;
  for (int i = 0; i < steps; ++i) {
    const StepResult result = session.step(run.feed());
    bits["loss"] += bits_of(&result.loss, sizeof result.loss);
    bits["norm"] += bits_of(&result.grad_norm, sizeof result.grad_norm);
  }
  for (const auto& slots : {parameter_slots(run.runtime), optimizer_slots(run.runtime)})
    for (const TensorSlot& slot : slots) bits[slot.name] = bits_of(slot.data, slot.type.bytes());
  return bits;
}

inline void expect_same(const Bits& a, const Bits& b, const std::string& what) {
  ASSERT_EQ(a.size(), b.size()) << what;
  for (const auto& [name, bytes] : a) EXPECT_TRUE(bytes == b.at(name)) << what << ": " << name << " differs";
}

}  // namespace tidemark
