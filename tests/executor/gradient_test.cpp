// Every gradient rule against finite differences of its forward op, through the planner and runtime.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>
#include <random>
#include <set>

#include "executor/runtime/runtime.h"
#include "graph/autodiff.h"
#include "graph/op_def.h"
#include "planner/planner.h"

namespace tidemark {
namespace {

/// One op under test: its graph, and which sources to differentiate.
class Example {
 public:
  Graph graph{"example"};
  std::vector<ValueId> parameters, constants;
  std::map<ValueId, std::vector<int32_t>> integers;
  std::map<ValueId, double> scales;

  ValueId floats(const std::string& name, Shape shape, double scale = 1) {
    const ValueId id = graph.add_source(name, {DType::f32, shape}, Category::parameter);
    parameters.push_back(id);
    scales[id] = scale;
    return id;
  }
  /// Not to be differentiated.
  ValueId data(const std::string& name, Shape shape) {
    const ValueId id = graph.add_source(name, {DType::f32, shape}, Category::input);
    constants.push_back(id);
    return id;
  }
  ValueId ints(const std::string& name, std::vector<int32_t> values) {
    const ValueId id =
        graph.add_source(name, {DType::i32, {static_cast<int64_t>(values.size())}}, Category::input);
    integers[id] = std::move(values);
    return id;
  }
};

/// Adds the op under test and returns the outputs that carry gradients.
using Build = std::function<std::vector<ValueId>(Example&)>;

const std::map<std::string, Build>& examples() {
  static const std::map<std::string, Build> kExamples = {
      {"embedding",
       [](Example& e) {
         const ValueId ids = e.ints("ids", {3, 0, 3, 6, 1});
         return std::vector{e.graph.add({"embedding", "y", {ids, e.floats("w", {7, 5})}})};
       }},
      {"embedding_scaled",
       [](Example& e) {
         const ValueId ids = e.ints("ids", {3, 0, 3});
         return std::vector{e.graph.add({"embedding", "y", {ids, e.floats("w", {7, 5})}, {{"scale", 2.5}}})};
       }},
      {"sinusoidal_positions",
       [](Example& e) {
         const ValueId x = e.floats("x", {5, 6}), positions = e.ints("positions", {0, 1, 2, 0, 700});
         return std::vector{e.graph.add({"sinusoidal_positions", "y", {x, positions}, {{"base", 10000.0}}})};
       }},
      {"linear_rows",  // two of one weight
       [](Example& e) {
         const ValueId x = e.floats("x", {5, 7}), w = e.floats("w", {9, 7}), b = e.floats("b", {9});
         const auto rows = [&](const char* name, int64_t first, int64_t n) {
           return e.graph.add({"linear", name, {x, w, b}, {{"first_row", first}, {"rows", n}}});
         };
         const ValueId first = rows("first", 0, 4);
         return std::vector{first, rows("second", 4, 3)};
       }},
      {"linear",
       [](Example& e) {
         const ValueId x = e.floats("x", {5, 7}), w = e.floats("w", {3, 7}), b = e.floats("b", {3}),
                       r = e.floats("r", {5, 3});
         return std::vector{e.graph.add({"linear", "y", {x, w, b, r}})};
       }},
      {"rms_norm",
       [](Example& e) {
         const ValueId x = e.floats("x", {5, 8}), w = e.floats("w", {8});
         return std::vector{e.graph.add({"rms_norm", "y", {x, w}, {{"epsilon", 1e-5}}})};
       }},
      {"layer_norm",
       [](Example& e) {
         const ValueId x = e.floats("x", {5, 8}), w = e.floats("w", {8}), b = e.floats("b", {8});
         return std::vector{
             e.graph.add({"layer_norm", "y", {x, w, b}, {{"epsilon", 1e-5}, {"groups", int64_t{2}}}})};
       }},
      {"rope",
       [](Example& e) {
         const ValueId x = e.floats("x", {4, 16}), positions = e.ints("positions", {0, 1, 2, 5});
         const ValueId table =
             e.graph.add({"rope_table",
                          "table",
                          {positions},
                          {{"frequencies", std::vector<double>{1.0, 0.3, 0.1}}, {"scale", 1.1}}});
         return std::vector{
             e.graph.add({"rope", "y", {x, table}, {{"heads", int64_t{2}}, {"inverse", false}}})};
       }},
      {"attention",
       [](Example& e) {
         const ValueId q = e.floats("q", {9, 16}), k = e.floats("k", {9, 8}), v = e.floats("v", {9, 8});
         const ValueId cu = e.ints("cu_seqlens", {0, 4, 4, 9, 9});
         return std::vector{e.graph.add(
             {"attention",
              "o",
              {q, k, v, cu},
              {{"heads", int64_t{4}}, {"kv_heads", int64_t{2}}, {"causal", true}, {"scale", 0.5}}})};
       }},
      {"attention_values",  // of another width than the keys
       [](Example& e) {
         const ValueId q = e.floats("q", {9, 24}), k = e.floats("k", {9, 12}), v = e.floats("v", {9, 10});
         const ValueId cu = e.ints("cu_seqlens", {0, 4, 9});
         return std::vector{e.graph.add(
             {"attention",
              "o",
              {q, k, v, cu},
              {{"heads", int64_t{4}}, {"kv_heads", int64_t{2}}, {"causal", true}, {"scale", 0.5}}})};
       }},
      {"moe_route",
       [](Example& e) {
         const ValueId logits = e.floats("logits", {5, 8}, 2);
         const auto route = [&](const char* name, const char* function, bool normalize) {
           return e.graph.add({"moe_route",
                               name,
                               {logits},
                               {{"top_k", int64_t{3}},
                                {"groups", int64_t{2}},
                                {"top_groups", int64_t{2}},
                                {"function", std::string(function)},
                                {"normalize", normalize},
                                {"scale", 2.446}}});
         };
         return std::vector{route("sigmoid", "sigmoid", true), route("softmax", "softmax", false)};
       }},
      {"weighted_swiglu",
       [](Example& e) {
         const ValueId a = e.floats("a", {6, 5}), b = e.floats("b", {6, 5}), w = e.floats("w", {3, 2});
         const ValueId slots = e.ints("slots", {4, 0, 2, 1, 5, 3});
         return std::vector{e.graph.add({"weighted_swiglu", "y", {a, b, w, slots}})};
       }},
      {"grouped_linear",  // one expert of the four has no tokens
       [](Example& e) {
         const ValueId x = e.floats("x", {3, 7}), inner = e.floats("inner", {4, 5, 7}, 0.5),
                       outer = e.floats("outer", {4, 6, 5}, 0.5), r = e.floats("r", {3, 6});
         const ValueId slots = e.ints("slots", {4, 0, 2, 1, 5, 3}),
                       offsets = e.ints("offsets", {0, 1, 1, 4, 6});
         const auto grouped = [&](const char* name, ValueId in, ValueId w, bool combine, ValueId residual) {
           return e.graph.add({"grouped_linear",
                               name,
                               {in, w, slots, offsets, residual},
                               {{"top_k", int64_t{2}}, {"combine", combine}}});
         };
         const ValueId h = grouped("h", x, inner, false, kNone);
         return std::vector{grouped("y", h, outer, true, r), grouped("z", x, inner, false, kNone)};
       }},
      {"latent_heads",
       [](Example& e) {
         const ValueId kv = e.floats("kv", {4, 14}), shared = e.floats("shared", {4, 2});
         return e.graph
             .op(e.graph.add_op(
                 {"latent_heads",
                  "k",
                  {kv, shared},
                  {{"heads", int64_t{2}}, {"key_columns", int64_t{3}}, {"value_columns", int64_t{4}}}}))
             .outputs;
       }},
      {"attention_cross",
       [](Example& e) {
         const ValueId q = e.floats("q", {9, 16}), k = e.floats("k", {7, 8}), v = e.floats("v", {7, 8});
         const ValueId cu = e.ints("cu_seqlens", {0, 4, 4, 9}), cu_k = e.ints("cu_seqlens_k", {0, 2, 3, 7});
         return std::vector{e.graph.add(
             {"attention",
              "o",
              {q, k, v, cu, cu_k},
              {{"heads", int64_t{4}}, {"kv_heads", int64_t{2}}, {"causal", false}, {"scale", 0.5}}})};
       }},
      {"eager_attention",
       [](Example& e) {
         const ValueId q = e.floats("q", {10, 16}), k = e.floats("k", {10, 8}), v = e.floats("v", {10, 8});
         const ValueId o = e.graph.add({"eager_attention",
                                        "o",
                                        {q, k, v},
                                        {{"heads", int64_t{4}},
                                         {"kv_heads", int64_t{2}},
                                         {"causal", true},
                                         {"scale", 0.5},
                                         {"length", int64_t{5}}}});
         return std::vector{o};
       }},
      {"swiglu",
       [](Example& e) {
         const ValueId a = e.floats("a", {4, 6}), b = e.floats("b", {4, 6});
         return std::vector{e.graph.add({"swiglu", "y", {a, b}})};
       }},
      {"add",
       [](Example& e) {
         const ValueId a = e.floats("a", {4, 6}), b = e.floats("b", {4, 6});
         return std::vector{e.graph.add({"add", "y", {a, b}})};
       }},
      {"gated_rms_norm",
       [](Example& e) {
         const ValueId x = e.floats("x", {5, 8}), gate = e.floats("gate", {5, 10}), w = e.floats("w", {8});
         return std::vector{
             e.graph.add({"gated_rms_norm",
                          "y",
                          {x, gate, w},
                          {{"epsilon", 1e-5}, {"groups", int64_t{2}}, {"first_column", int64_t{2}}}})};
       }},
      {"convert",
       [](Example& e) {
         const ValueId x = e.floats("x", {4, 6});
         return std::vector{e.graph.add({"convert", "y", {x}, {{"dtype", std::string("f32")}}})};
       }},
      {"causal_conv1d",
       [](Example& e) {
         const ValueId x = e.floats("x", {9, 8}), w = e.floats("w", {5, 1, 4}), b = e.floats("b", {5});
         const ValueId cu = e.ints("cu_seqlens", {0, 2, 2, 9});
         return std::vector{
             e.graph.add({"causal_conv1d", "y", {x, w, b, cu}, {{"first_column", int64_t{1}}}})};
       }},
      {"selective_scan",
       [](Example& e) {
         const ValueId u = e.floats("u", {9, 5}), dt = e.floats("dt", {9, 5}), bc = e.floats("bc", {9, 6}),
                       z = e.floats("z", {9, 7}), a = e.floats("a", {5, 3}), d = e.floats("d", {5}),
                       bias = e.floats("bias", {5});
         const ValueId cu = e.ints("cu_seqlens", {0, 5, 5, 9});
         return std::vector{e.graph.add({"selective_scan",
                                         "y",
                                         {u, dt, bc, z, a, d, bias, cu},
                                         {{"chunk_rows", int64_t{4}}, {"first_column", int64_t{2}}}})};
       }},
      {"ssd_scan",
       [](Example& e) {
         const ValueId xbc = e.floats("xbc", {9, 24}), dt = e.floats("dt", {9, 6}), a = e.floats("a", {4}),
                       d = e.floats("d", {4}), bias = e.floats("bias", {4});
         const ValueId cu = e.ints("cu_seqlens", {0, 5, 5, 9});
         return std::vector{e.graph.add({"ssd_scan",
                                         "y",
                                         {xbc, dt, a, d, bias, cu},
                                         {{"heads", int64_t{4}},
                                          {"groups", int64_t{2}},
                                          {"states", int64_t{3}},
                                          {"chunk_rows", int64_t{4}},
                                          {"dt_min", 0.0},
                                          {"first_column", int64_t{1}}}})};
       }},
      {"masked_linear",
       [](Example& e) {
         const ValueId x = e.floats("x", {5, 7}), w = e.floats("w", {3, 7}), b = e.floats("b", {3}),
                       r = e.floats("r", {5, 3});
         const ValueId in = e.ints("in", {0, 3, 1, 2, 0, 1, 3}), out = e.ints("out", {2, 0, 1});
         return std::vector{e.graph.add({"masked_linear", "y", {x, w, in, out, b, r}, {{"strict", false}}})};
       }},
      {"nade",
       [](Example& e) {
         const ValueId x = e.data("x", {3, 5}), order = e.ints("order", {3, 0, 4, 1, 2});
         const ValueId w = e.floats("w", {6, 5}), c = e.floats("c", {6}), b = e.floats("b", {5}),
                       v = e.floats("v", {5, 6});
         return std::vector{
             e.graph.add({"nade", "y", {x, order, w, c, b, v}, {{"function", std::string("sigmoid")}}})};
       }},
      {"activation",
       [](Example& e) {
         return std::vector{
             e.graph.add({"activation", "y", {e.floats("x", {4, 6})}, {{"function", std::string("tanh")}}})};
       }},
      {"glu",
       [](Example& e) {
         const ValueId x = e.floats("x", {4, 6}), gate = e.floats("gate", {4, 6});
         return std::vector{e.graph.add({"glu", "y", {x, gate}})};
       }},
      {"batch_norm",
       [](Example& e) {
         const ValueId x = e.floats("x", {5, 8}), w = e.floats("w", {8}), b = e.floats("b", {8});
         return std::vector{e.graph.add({"batch_norm", "y", {x, w, b}, {{"epsilon", 1e-5}}})};
       }},
      {"diagonal_scan",
       [](Example& e) {
         const ValueId re = e.floats("re", {9, 5}), im = e.floats("im", {9, 5}), nu = e.floats("nu", {5}),
                       theta = e.floats("theta", {5});
         const ValueId cu = e.ints("cu_seqlens", {0, 5, 5, 9});
         return e.graph.op(e.graph.add_op({"diagonal_scan", "h", {re, im, nu, theta, cu}})).outputs;
       }},
      {"ssm_kernel",
       [](Example& e) {
         const ValueId dt = e.floats("log_dt", {3}, 0.5), re = e.floats("A_real_log", {3, 4}, 0.5),
                       im = e.floats("A_imag", {3, 4}), c = e.floats("C", {3, 4, 2}),
                       b = e.floats("B", {3, 4, 2}), p = e.floats("P", {3, 4, 2}, 0.5);
         const auto kernel = [&](const char* name, std::vector<ValueId> inputs, const char* rule) {
           return e.graph.add({"ssm_kernel",
                               name,
                               std::move(inputs),
                               {{"length", int64_t{11}}, {"discretization", std::string(rule)}}});
         };
         return std::vector{kernel("s4", {dt, re, im, c, b, p}, "bilinear"),
                            kernel("s4d", {dt, re, im, c}, "zoh"), kernel("s4d_b", {dt, re, im, c, b}, "zoh"),
                            kernel("bilinear", {dt, re, im, c}, "bilinear")};
       }},
      {"long_convolution",
       [](Example& e) {
         const ValueId u = e.floats("u", {9, 5}), kernel = e.floats("kernel", {5, 6});
         const ValueId cu = e.ints("cu_seqlens", {0, 5, 5, 9});
         return std::vector{e.graph.add({"long_convolution", "y", {u, kernel, cu}})};
       }},
      {"retention",
       [](Example& e) {
         const ValueId q = e.floats("q", {9, 8}), k = e.floats("k", {9, 8}), v = e.floats("v", {9, 10});
         const ValueId cu = e.ints("cu_seqlens", {0, 5, 5, 9});
         // Scores too small to be normalised by, which no gradient flows through.
         return std::vector{e.graph.add(
             {"retention",
              "o",
              {q, k, v, cu},
              {{"decays", std::vector<double>{0.9, 0.97}}, {"scale", 0.05}, {"chunk_rows", int64_t{3}}}})};
       }},
      {"rms_norm_groups",
       [](Example& e) {
         const ValueId x = e.floats("x", {5, 8});
         return std::vector{e.graph.add({"rms_norm", "y", {x}, {{"epsilon", 1e-5}, {"groups", int64_t{2}}}})};
       }},
      {"rope_interleaved",
       [](Example& e) {
         const ValueId x = e.floats("x", {4, 16}), positions = e.ints("positions", {0, 1, 2, 5});
         const ValueId table =
             e.graph.add({"rope_table",
                          "table",
                          {positions},
                          {{"frequencies", std::vector<double>{1.0, 0.3, 0.1}}, {"scale", 1.0}}});
         const Attributes whole{{"heads", int64_t{2}}, {"inverse", false}, {"interleaved", true}};
         Attributes last = whole;
         last.set("first_column", int64_t{2});
         return std::vector{e.graph.add({"rope", "y", {x, table}, whole}),
                            e.graph.add({"rope", "z", {x, table}, last})};
       }},
      {"token_shift",
       [](Example& e) {
         const ValueId x = e.floats("x", {9, 35}), mix = e.floats("mix", {1, 1, 35});
         const ValueId cu = e.ints("cu_seqlens", {0, 5, 5, 9});
         return std::vector{e.graph.add({"token_shift", "y", {x, mix, cu}, {{"of_previous", false}}})};
       }},
      {"wkv",
       [](Example& e) {
         const ValueId k = e.floats("k", {9, 35}), v = e.floats("v", {9, 35});
         const ValueId decay = e.floats("time_decay", {35}), first = e.floats("time_first", {35});
         const ValueId cu = e.ints("cu_seqlens", {0, 5, 5, 9});
         return std::vector{
             e.graph.add({"wkv", "y", {k, v, decay, first, cu}, {{"chunk_rows", int64_t{3}}}})};
       }},
      {"wkv7",
       [](Example& e) {
         std::vector<ValueId> inputs;
         for (const char* name : {"r", "w", "k", "v", "a"}) inputs.push_back(e.floats(name, {9, 20}));
         for (const char* name : {"k_k", "k_a"}) inputs.push_back(e.floats(name, {20}));
         inputs.push_back(e.ints("cu_seqlens", {0, 5, 5, 9}));
         return std::vector{e.graph.add(
             {"wkv7", "y", std::move(inputs), {{"heads", int64_t{2}}, {"chunk_rows", int64_t{3}}}})};
       }},
      {"wkv7_output",
       [](Example& e) {
         std::vector<ValueId> inputs;
         for (const char* name : {"y", "r", "k", "v", "a", "g"}) inputs.push_back(e.floats(name, {5, 8}));
         inputs.push_back(e.floats("k_a", {8}));
         inputs.push_back(e.floats("r_k", {2, 4}));
         return std::vector{e.graph.add({"wkv7_output", "o", std::move(inputs), {{"heads", int64_t{2}}}})};
       }},
      {"gated_lerp",
       [](Example& e) {
         const ValueId x = e.floats("x", {4, 6}), y = e.floats("y", {4, 6}), gate = e.floats("gate", {4, 6});
         return std::vector{e.graph.add({"gated_lerp", "z", {x, y, gate}})};
       }},
      {"scale_rows",
       [](Example& e) {
         const ValueId w = e.floats("w", {4, 6}), scale = e.floats("scale", {4});
         return std::vector{e.graph.add({"scale_rows", "y", {w, scale}})};
       }},
      {"skip_gelu",
       [](Example& e) {
         const ValueId x = e.floats("x", {4, 6}), u = e.floats("u", {4, 6}), d = e.floats("d", {6});
         return std::vector{e.graph.add({"skip_gelu", "y", {x, u, d}, {{"tanh", false}}}),
                            e.graph.add({"skip_gelu", "z", {x, u, d}, {{"tanh", true}}})};
       }},
      {"pool",
       [](Example& e) {
         const ValueId x = e.floats("x", {9, 6}), cu = e.ints("cu_seqlens", {0, 5, 5, 9});
         return std::vector{e.graph.add({"pool", "mean", {x, cu}, {{"mode", std::string("mean")}}}),
                            e.graph.add({"pool", "last", {x, cu}, {{"mode", std::string("last")}}})};
       }},
      {"dropout",
       [](Example& e) {
         const ValueId x = e.floats("x", {8, 6}), seed = e.ints("seed", {5, 9, 0});
         return std::vector{
             e.graph.add({"dropout", "y", {x, seed}, {{"probability", 0.3}, {"site", int64_t{2}}}})};
       }},
      {"concat_columns",
       [](Example& e) {
         const ValueId a = e.floats("a", {4, 3}), b = e.floats("b", {4, 5});
         return std::vector{e.graph.add({"concat_columns", "y", {a, b}})};
       }},
      {"split_columns",
       [](Example& e) {
         const ValueId x = e.floats("x", {4, 8});
         return e.graph.op(e.graph.add_op({"split_columns", "y", {x}, {{"columns", int64_t{3}}}})).outputs;
       }},
  };
  return kExamples;
}

Build recurrent(const std::string& kind, int64_t gates, const std::string& nonlinearity, bool reverse) {
  return [=](Example& e) {
    const int64_t hidden = 6;
    const ValueId xg = e.floats("xg", {9, gates * hidden}), w = e.floats("w", {gates * hidden, hidden}, 0.5),
                  b = e.floats("b", {gates * hidden}), sizes = e.ints("batch_sizes", {3, 2, 2, 1, 1, 0});
    Attributes attributes{{"reverse", reverse}, {"max_batch", int64_t{4}}};
    if (!nonlinearity.empty()) attributes.set("nonlinearity", nonlinearity);
    return std::vector{e.graph.add({kind, "h", {xg, w, b, sizes}, attributes})};
  };
}

class Differences {
 public:
  explicit Differences(const Build& build) {
    outputs_ = build(example_);
    std::vector<std::pair<ValueId, ValueId>> seeds;
    for (ValueId y : outputs_) {
      seeds.emplace_back(y, example_.graph.add_source("dy" + std::to_string(y), example_.graph.value(y).type,
                                                      Category::input));
      seeds_.push_back(seeds.back().second);
      example_.graph.mark_output(y);
    }
    gradients_ = differentiate(example_.graph, seeds, example_.parameters);
    for (ValueId g : gradients_) example_.graph.mark_output(g);
    PlanRequest request;
    request.strategy = "keep-all";
    request.device.threads = 2;
    request.times = analytic_times(example_.graph, cpu_speed(2));
    plan_ = make_plan(example_.graph, request).plan.value();
    runtime_ = std::make_unique<Runtime>(example_.graph, plan_, RuntimeOptions{.guard = GuardMode::scribble});
    for (ValueId p : example_.parameters) point_[p] = random_vector(p, example_.scales[p]);
    for (const auto& others : {seeds_, example_.constants})
      for (ValueId id : others) point_[id] = random_vector(id, 1);
  }

  void check(const std::string& name) {
    run(point_);
    std::vector<std::vector<float>> analytic;
    for (ValueId g : gradients_) analytic.push_back(read(g));
    for (size_t p = 0; p < example_.parameters.size(); ++p)
      for (int trial = 0; trial < 3; ++trial) {
        const ValueId id = example_.parameters[p];
        const std::vector<float> direction = random_vector(id, 1);
        double expected = 0, size = 0;
        for (size_t i = 0; i < direction.size(); ++i) {
          expected += double{direction[i]} * double{analytic[p][i]};
          size += std::abs(double{direction[i]} * double{analytic[p][i]});
        }
        const double h = 4e-3;
        const double measured = (shifted(id, direction, h) - shifted(id, direction, -h)) / (2 * h);
        EXPECT_NEAR(measured, expected, 2e-3 + 1e-2 * size)
            << name << ", d/d" << example_.graph.value(id).name << ", direction " << trial;
      }
  }

 private:
  using Point = std::map<ValueId, std::vector<float>>;

  std::vector<float> random_vector(ValueId id, double scale) {
    std::normal_distribution<float> normal(0, static_cast<float>(scale));
    std::vector<float> v(static_cast<size_t>(example_.graph.value(id).type.shape.elements()));
    for (float& x : v) x = normal(random_);
    return v;
  }
  std::vector<float> read(ValueId id) {
    const auto* data = static_cast<const float*>(runtime_->data(id));
    return {data, data + example_.graph.value(id).type.shape.elements()};
  }
  void run(const Point& point) {
    for (const auto& [id, values] : point)
      std::copy(values.begin(), values.end(), static_cast<float*>(runtime_->data(id)));
    for (const auto& [id, values] : example_.integers)
      std::copy(values.begin(), values.end(), static_cast<int32_t*>(runtime_->data(id)));
    runtime_->run_micro_batch();
  }
  double shifted(ValueId id, const std::vector<float>& direction, double h) {
    Point moved = point_;
    for (size_t i = 0; i < direction.size(); ++i)
      moved[id][i] += static_cast<float>(h * double{direction[i]});
    run(moved);
    double loss = 0;
    for (size_t k = 0; k < outputs_.size(); ++k) {
      const std::vector<float> y = read(outputs_[k]);
      for (size_t i = 0; i < y.size(); ++i) loss += double{y[i]} * double{point_[seeds_[k]][i]};
    }
    return loss;
  }

  std::mt19937 random_{11};
  Example example_;
  std::vector<ValueId> outputs_, seeds_, gradients_;
  Plan plan_;
  std::unique_ptr<Runtime> runtime_;
  Point point_;
};

class GradientRule : public ::testing::TestWithParam<std::string> {};

TEST_P(GradientRule, MatchesFiniteDifferences) {
  Differences(examples().at(GetParam())).check(GetParam());
}

std::vector<std::string> example_names() {
  std::vector<std::string> names;
  for (const auto& example : examples()) names.push_back(example.first);
  return names;
}
INSTANTIATE_TEST_SUITE_P(Op, GradientRule, ::testing::ValuesIn(example_names()),
                         [](const auto& test) { return test.param; });

TEST(Gradient, RecurrentLayersMatchFiniteDifferencesBothWays) {
  for (bool reverse : {false, true}) {
    Differences(recurrent("rnn_layer", 1, "tanh", reverse)).check("rnn_layer tanh");
    Differences(recurrent("lstm_layer", 4, "", reverse)).check("lstm_layer");
    Differences(recurrent("gru_layer", 3, "", reverse)).check("gru_layer");
  }
}

TEST(Gradient, NadeWithTiedWeightsMatchesFiniteDifferences) {
  const Build tied = [](Example& e) {
    const ValueId x = e.data("x", {3, 5}), order = e.ints("order", {3, 0, 4, 1, 2});
    const ValueId w = e.floats("w", {6, 5}), c = e.floats("c", {6}), b = e.floats("b", {5});
    return std::vector{e.graph.add({"nade", "y", {x, order, w, c, b}, {{"function", std::string("tanh")}}})};
  };
  Differences(tied).check("nade, tied");
}

TEST(Gradient, NoRuleIsLeftOut) {
  const std::set<std::string> recurrent_layers = {"rnn_layer", "lstm_layer", "gru_layer"};
  for (const OpDef* def : op_registry()) {
    if (!def->gradient) continue;
    EXPECT_TRUE(examples().count(std::string(def->name)) || recurrent_layers.count(std::string(def->name)))
        << def->name;
  }
}

}  // namespace
}  // namespace tidemark
