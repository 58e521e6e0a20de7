// Op times: the roofline, calibration, profiles and the file that describes a device.
#include "planner/cost/op_times.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "planner/cost/calibration.h"
#include "tests/planner/graphs.h"

namespace tidemark {
namespace {

TEST(OpTimes, TheRooflineTakesTheSlowerSide) {
  const Graph graph = test::llama();
  const DeviceSpeed slow_memory{.flops_per_second = 1e15, .bytes_per_second = 1e9, .seconds_per_op = 0};
  const DeviceSpeed slow_math{.flops_per_second = 1e6, .bytes_per_second = 1e15, .seconds_per_op = 1};
  const OpTimes a = analytic_times(graph, slow_memory), b = analytic_times(graph, slow_math);
  for (size_t i = 0; i < graph.ops().size(); ++i) {
    const Work work = graph.ops()[i].def->work(OpView(graph, graph.ops()[i]));
    EXPECT_DOUBLE_EQ(a.seconds[i], work.bytes / 1e9);
    EXPECT_DOUBLE_EQ(b.seconds[i], std::max(work.flops / 1e6, work.bytes / 1e15) + 1);
  }
}

TEST(OpTimes, AProfileScalesWhatItLacks) {
  const Graph graph = test::llama();
  const DeviceSpeed speed = cpu_speed(1);
  const OpTimes model = analytic_times(graph, speed);
  const OpTimes times =
      profiled_times(graph, speed, {{graph.ops()[3].name, 3 * model.seconds[3]}, {"elsewhere", 1}});
  EXPECT_EQ(times.model, "profile");
  for (size_t i = 0; i < graph.ops().size(); ++i) EXPECT_DOUBLE_EQ(times.seconds[i], 3 * model.seconds[i]);
  EXPECT_THROW(profiled_times(graph, speed, {{"elsewhere", 1}}), Error);
}

/// A device that takes twice the roofline for linear, and for others the more the smaller they are.
double true_seconds(const OpView& op) {
  const DeviceSpeed base{.flops_per_second = 1e11, .bytes_per_second = 1e10, .seconds_per_op = 1e-6};
  const double model = op_seconds(op, base);
  return op.op().def->name == "linear" ? 2 * model : model * (1 + 1e-6 / model);
}

std::vector<OpSample> measured(const Graph& graph) {
  std::vector<OpSample> samples;
  for (const Op& op : graph.ops()) {
    const OpView view(graph, op);
    samples.push_back(op_sample(view, true_seconds(view)));
  }
  return samples;
}

TEST(Calibration, PredictsOpsItHasNotSeen) {
  std::vector<OpSample> samples;
  for (int64_t length : {8, 32, 128, 512})
    for (const OpSample& s : measured(test::llama({.tokens = length}))) samples.push_back(s);
  const DeviceSpeed speed = calibrated_speed(samples, 2);
  EXPECT_EQ(speed.threads, 2);
  const Graph graph = test::llama({.tokens = 200});
  const OpTimes times = analytic_times(graph, speed);
  EXPECT_EQ(times.model, "calibrated");
  double predicted = 0, truth = 0;
  for (size_t i = 0; i < graph.ops().size(); ++i) {
    const double seconds = true_seconds(OpView(graph, graph.ops()[i]));
    EXPECT_NEAR(times.seconds[i] / seconds, 1, 0.35) << graph.ops()[i].name;
    predicted += times.seconds[i];
    truth += seconds;
  }
  EXPECT_NEAR(predicted / truth, 1, 0.05);
}

TEST(Calibration, WhatItSawItSaysAgain) {
  const Graph graph = test::llama();
  const OpTimes times = analytic_times(graph, calibrated_speed(measured(graph), 1));
  double predicted = 0, truth = 0;
  for (size_t i = 0; i < graph.ops().size(); ++i) {
    predicted += times.seconds[i];
    truth += true_seconds(OpView(graph, graph.ops()[i]));
  }
  EXPECT_NEAR(predicted / truth, 1, 0.02);
}

TEST(Calibration, NeedsAMeasurement) {
  EXPECT_THROW(calibrated_speed({}, 1), Error);
  EXPECT_THROW(calibrated_speed({OpSample{"linear/f32", DType::f32, {1, 1}, {1, 1, 1}, 0}}, 1), Error);
}

TEST(DeviceSpeed, InterpolatesBetweenSizes) {
  const Graph graph = test::llama();
  const OpView op(graph, graph.ops().back());
  const DeviceSpeed plain{.flops_per_second = 1e12, .bytes_per_second = 1e9, .seconds_per_op = 0};
  const double model = op_seconds(op, plain);
  const std::vector<double> size = size_of(op);
  // Bound by bytes: those of another size have a roofline in proportion.
  const auto measured = [&](double scale, double factor) {
    MeasuredSize m{.seconds = factor * scale * model, .size = size};
    m.size[1] *= scale;
    return m;
  };
  DeviceSpeed speed = plain;
  const std::string kind = detailed_kind(op);
  speed.kinds[kind] = {measured(0.25, 8), measured(4, 2)};
  EXPECT_NEAR(op_seconds(op, speed) / model, 4, 1e-3);  // half way along the logarithms
  speed.kinds[kind].push_back(measured(1, 7));
  EXPECT_NEAR(op_seconds(op, speed) / model, 7, 1e-3);
  speed.kinds[kind] = {measured(4, 2)};
  EXPECT_NEAR(op_seconds(op, speed) / model, 2, 1e-9);
  // Those with other operands are better than nothing, other ops are not.
  speed.kinds = {{kind_and_dtype(op) + "+other", {measured(4, 3)}}};
  EXPECT_NEAR(op_seconds(op, speed) / model, 3, 1e-9);
  speed.kinds = {{kind_and_dtype(op) + "x", {measured(4, 3)}}};
  EXPECT_DOUBLE_EQ(op_seconds(op, speed), model);
}

TEST(DeviceSpeed, KindsSayWhatOpsHave) {
  Graph graph("kinds");
  const ValueId x = graph.add_source("x", {DType::f32, {8, 4}}, Category::input);
  const ValueId w = graph.add_source("w", {DType::f32, {6, 4}}, Category::parameter);
  const ValueId b = graph.add_source("b", {DType::f32, {6}}, Category::parameter);
  const OpId plain = graph.add_op({"linear", "plain", {x, w}});
  const OpId biased = graph.add_op({"linear", "biased", {x, w, b}});
  EXPECT_EQ(detailed_kind(OpView(graph, graph.op(plain))), "linear/f32");
  EXPECT_EQ(detailed_kind(OpView(graph, graph.op(biased))), "linear/f32+bias");
  EXPECT_EQ(size_of(OpView(graph, graph.op(plain))),
            (std::vector<double>{2.0 * 8 * 4 * 6, 4.0 * (8 * 4 + 6 * 4 + 8 * 6), 8}));
}

TEST(DeviceSpeed, NarrowProductsHaveARateOfTheirOwn) {
  const DeviceSpeed speed{
      .flops_per_second = 1e12, .bf16_flops_per_second = 4e12, .bytes_per_second = 1e15, .seconds_per_op = 0};
  const Work work{.flops = 8e12, .bytes = 1};
  EXPECT_DOUBLE_EQ(roofline_seconds(work, DType::f32, speed), 8);
  EXPECT_DOUBLE_EQ(roofline_seconds(work, DType::bf16, speed), 2);
}

TEST(DeviceSpeed, ComesBackFromJson) {
  DeviceSpeed speed = cpu_speed(4);
  speed.bf16_flops_per_second = 3e12;
  speed.threads = 4;
  speed.kinds["linear/f32"] = {{1e-6, {100, 20, 1}}, {1e-3, {1e6, 2e4, 0, 8}}};
  const DeviceSpeed back = device_speed_from_json(to_json(speed), "device.json");
  EXPECT_EQ(to_json(back), to_json(speed));
  EXPECT_EQ(back.kinds.at("linear/f32").at(1).size, (std::vector<double>{1e6, 2e4, 0, 8}));
}

TEST(DeviceSpeed, ThoseThatComeAlongAreRead) {
  for (const char* name : {"a100", "h100", "h200"})
    EXPECT_GT(device_speed(name).bf16_flops_per_second, 1e14) << name;
}

TEST(DeviceSpeed, IsReadStrictly) {
  const nlohmann::json good = {{"flops_per_second", 1}, {"bytes_per_second", 1}, {"seconds_per_op", 0}};
  EXPECT_NO_THROW(device_speed_from_json(good, "device.json"));
  for (const char* key : {"flops_per_second", "bytes_per_second", "seconds_per_op"}) {
    nlohmann::json bad = good;
    bad.erase(key);
    EXPECT_THROW(device_speed_from_json(bad, "device.json"), Error) << key;
  }
  EXPECT_THROW(device_speed_from_json(nlohmann::json::array(), "device.json"), Error);
  for (const char* patch :
       {R"({"flops_per_second": 0})", R"({"flops_per_second": "1"})", R"({"seconds_per_op": -1})",
        R"({"x": 1})", R"({"threads": 1.5})", R"({"threads": -1})", R"({"bf16_flops_per_second": 0})",
        R"({"kinds": []})", R"({"kinds": {"linear/f32": []}})", R"({"kinds": {"linear/f32": [[1]]}})",
        R"({"kinds": {"linear/f32": [[1, 2, 3]]}})", R"({"kinds": {"linear/f32": [[0, 1, 1, 1]]}})",
        R"({"kinds": {"linear/f32": [[1, 1, -1, 1]]}})"}) {
    nlohmann::json bad = good;
    bad.update(nlohmann::json::parse(patch));
    EXPECT_THROW(device_speed_from_json(bad, "device.json"), Error) << patch;
  }
  EXPECT_THROW(device_speed("no-such-device"), Error);
}

}  // namespace
}  // namespace tidemark
