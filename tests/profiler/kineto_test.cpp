// Imports of Kineto traces: a recorded one against a replay of its own events, made-up ones whose every
// number is known, and broken ones.
#include <gmock/gmock.h>

#include <map>
#include <random>

#include "base/error.h"
#include "base/gzip.h"
#include "profiler/attribution.h"
#include "profiler/import/import.h"
#include "tests/scratch.h"

namespace tidemark {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

std::string recorded() {
  return std::string(TIDEMARK_TEST_DATA) + "/imports/kineto.json.gz";
}

json parsed(const std::string& path) {
  GzipReader file(path, "cannot read");
  std::string text(1 << 24, '\0');
  text.resize(file.read(std::as_writable_bytes(std::span(text))));
  return json::parse(text);
}

/// Times in microseconds, as Kineto has them.
json op(const std::string& name, double ts, double dur, json args = json::object()) {
  return {{"ph", "X"}, {"cat", "cpu_op"}, {"name", name}, {"pid", 1},
          {"tid", 7},  {"ts", ts},        {"dur", dur},   {"args", args}};
}
json memory(double ts, int64_t address, int64_t bytes, int64_t total, int device = -1, int64_t reserved = 0) {
  return {{"ph", "i"},
          {"cat", "cpu_instant_event"},
          {"name", "[memory]"},
          {"pid", 1},
          {"tid", 7},
          {"ts", ts},
          {"args",
           {{"Addr", address},
            {"Bytes", bytes},
            {"Total Allocated", total},
            {"Total Reserved", reserved},
            {"Device Type", device < 0 ? 0 : 1},
            {"Device Id", device}}}};
}
json kernel(double ts, double dur, int64_t external_id) {
  return {{"ph", "X"},      {"cat", "kernel"},
          {"name", "gemm"}, {"pid", 0},
          {"tid", 7},       {"ts", ts},
          {"dur", dur},     {"args", {{"External id", external_id}, {"device", 0}}}};
}
json slice(const std::string& category, const std::string& name, double ts, double dur) {
  json e = op(name, ts, dur);
  e["cat"] = category;
  return e;
}

class KinetoTest : public ScratchTest {
 protected:
  std::string write_events(const json& events) const {
    return write("trace.json", json{{"schemaVersion", 1}, {"traceEvents", events}}.dump());
  }
  Trace imported(const std::string& file, const std::string& device = {}) {
    summary_ = import_recording(file, path("run.tide"), device);
    return Trace(path("run.tide"));
  }
  Trace imported(const json& events) { return imported(write_events(events)); }
  std::string refused(const std::string& text) const {
    const std::string file = write("bad.json", text);
    const std::string message = message_of<Error>([&] { import_recording(file, path("bad.tide")); });
    EXPECT_THAT(message, HasSubstr("bad.json"));
    EXPECT_FALSE(std::filesystem::exists(path("bad.tide")));
    return message;
  }
  ImportSummary summary_;
};

TEST_F(KinetoTest, ARecordedRunAgreesWithAReplayOfItsEvents) {
  const Trace trace = imported(recorded());
  struct Change {
    double ts;
    int64_t address, bytes;
  };
  std::vector<Change> changes;
  const json document = parsed(recorded());
  for (const json& e : document["traceEvents"])
    if (e["name"] == "[memory]") changes.push_back({e["ts"], e["args"]["Addr"], e["args"]["Bytes"]});
  std::ranges::stable_sort(changes, {}, &Change::ts);
  std::map<int64_t, int64_t> live;
  int64_t allocated = 0, freed_unseen = 0, now = 0, most = 0, count = 0;
  for (const Change& c : changes) {
    if (c.bytes < 0 && live.erase(c.address) == 0) freed_unseen -= c.bytes, ++count;
    if (c.bytes > 0) live[c.address] = c.bytes, allocated += c.bytes, ++count;
    now += c.bytes;
    most = std::max(most, now);
  }
  ASSERT_GT(count, 100);

  const Attribution a = attribute(trace);
  EXPECT_EQ(a.peak_bytes, most + freed_unseen);
  EXPECT_EQ(summary_.buffers, count);
  EXPECT_EQ(summary_.open_at_end, static_cast<int64_t>(live.size()));
  EXPECT_EQ(summary_.device, "cpu");
  int64_t sum = 0;
  for (const TraceBuffer& b : trace.buffers()) sum += b.bytes;
  EXPECT_EQ(sum, allocated + freed_unseen);

  // AdamW keeps two moments of each parameter: 256x32 twice, and the block's; and steps of a scalar. (A
  // quotient of the last update is not freed in the recording.)
  int64_t moments = 0;
  for (const TraceBuffer& b : trace.buffers())
    if (b.category == Category::optimizer_state && b.bytes >= 128 && !b.op.str().starts_with("aten::div"))
      moments += b.bytes;
  constexpr int64_t kParameters = 2 * 256 * 32 + 2 * 32 + (32 * 128 + 128) + (128 * 32 + 32);
  EXPECT_EQ(moments, 2 * 4 * kParameters);
  // And the gradients of the backward pass, twice: they are set to none after each step.
  int64_t gradients = 0;
  for (const TraceBuffer& b : trace.buffers())
    if (b.category == Category::gradient) gradients += b.bytes;
  EXPECT_GE(gradients, 2 * 4 * kParameters);
  // Modules are those of the network, also of the ops that the backward pass runs.
  bool forward = false, backward = false;
  for (const ProgramStep& s : trace.program()) {
    if (s.module != "Net_0.Block_0.Linear_0") continue;
    forward |= s.phase == Phase::forward;
    backward |= s.phase == Phase::backward;
  }
  EXPECT_TRUE(forward);
  EXPECT_TRUE(backward);
}

TEST_F(KinetoTest, StepsSplitWhereMemoryIsUsedAgain) {
  // 100 and 50 live together, then 50 and 70: never 220.
  const Trace trace =
      imported(json{op("aten::a", 0, 10), memory(1, 0x1000, 100, 100), memory(2, 0x2000, 50, 150),
                    memory(3, 0x1000, -100, 50), memory(4, 0x1000, 70, 120), memory(5, 0x2000, -50, 70)});
  const Attribution a = attribute(trace);
  EXPECT_EQ(a.peak_bytes, 150);
  ASSERT_EQ(trace.program().size(), 2u);
  EXPECT_EQ(trace.program()[0].kind, "aten::a");
  EXPECT_EQ(trace.program()[1].op, "aten::a #1");
  const std::vector<TimeSpan> times = trace.program_times(0);
  EXPECT_EQ(times[0].end_ns, 4000);
  EXPECT_EQ(times[1].end_ns, 10000);
  // The gap between the addresses is closed, the place is the same.
  EXPECT_EQ(trace.buffers()[0].offset, 0);
  EXPECT_EQ(trace.buffers()[1].offset, 100);
  EXPECT_EQ(trace.buffers()[2].offset, 0);
  EXPECT_EQ(summary_.open_at_end, 1);
}

TEST_F(KinetoTest, MemoryFromBeforeTheRecording) {
  // 1,000 bytes were allocated before; 300 of them are freed here.
  const Trace trace = imported(json{op("aten::a", 0, 10), memory(1, 0x1000, 100, 1100, 0, 4096),
                                    memory(2, 0x9000, -300, 800, 0, 4096)});
  EXPECT_EQ(summary_.device, "cuda:0");
  EXPECT_EQ(summary_.open_at_start, 1);
  EXPECT_EQ(summary_.unattributed_bytes, 700);
  const Attribution a = attribute(trace);
  EXPECT_EQ(a.peak_bytes, 400);
  EXPECT_EQ(a.arena_resident_bytes, 4096);
  EXPECT_DOUBLE_EQ(a.coverage, 400.0 / 4096.0);
  EXPECT_EQ(trace.metadata()["unattributed_bytes"], 700);
}

TEST_F(KinetoTest, PhasesSayWhatMemoryIsFor) {
  const json events = {
      op("aten::linear", 0, 10, {{"Sequence number", 5}, {"Fwd thread id", 0}}),
      slice("python_function", "nn.Module: Net_0", -1, 12),
      memory(1, 0x1000, 11, 11),
      op("autograd::engine::evaluate_function: AddmmBackward0", 20, 20,
         {{"Sequence number", 5}, {"Fwd thread id", 1}}),
      op("aten::mm", 21, 5),
      memory(22, 0x2000, 22, 33),  // a gradient: lives into the optimizer
      memory(23, 0x3000, 33, 66),  // of an activation: does not
      memory(24, 0x1000, -11, 55),
      memory(30, 0x3000, -33, 22),
      slice("user_annotation", "Optimizer.step#AdamW.step", 50, 20),
      op("aten::zeros", 51, 5),
      memory(52, 0x4000, 44, 66),  // never freed
      memory(53, 0x5000, 55, 121),
      memory(54, 0x5000, -55, 66),
      slice("user_annotation", "Optimizer.zero_grad#AdamW.zero_grad", 80, 20),
      memory(81, 0x2000, -22, 44),
  };
  const Trace trace = imported(events);
  std::map<int64_t, std::pair<Category, std::string>> by_size;
  for (const TraceBuffer& b : trace.buffers()) by_size[b.bytes] = {b.category, b.module};
  using C = Category;
  EXPECT_EQ(by_size.at(11), std::pair(C::activation, std::string("Net_0")));
  EXPECT_EQ(by_size.at(22), std::pair(C::gradient, std::string("Net_0")));
  EXPECT_EQ(by_size.at(33), std::pair(C::activation, std::string("Net_0")));
  EXPECT_EQ(by_size.at(44), std::pair(C::optimizer_state, std::string("Optimizer")));
  EXPECT_EQ(by_size.at(55), std::pair(C::workspace, std::string("Optimizer")));
}

TEST_F(KinetoTest, OnADeviceTimesAreThoseOfItsKernels) {
  const json events = {op("aten::a", 0, 5, {{"External id", 1}}),
                       memory(1, 0x1000, 100, 100, 0),
                       op("aten::view", 5, 5, {{"External id", 2}}),
                       op("aten::b", 10, 5, {{"External id", 3}}),
                       memory(11, 0x1000, -100, 0, 0),
                       kernel(100, 30, 1),
                       kernel(140, 20, 3),
                       kernel(170, 10, 3),
                       memory(12, 0x8000, 7, 7)};  // the CPU's
  const Trace trace = imported(events);
  EXPECT_EQ(summary_.device, "cuda:0");
  ASSERT_EQ(trace.program().size(), 3u);
  const std::vector<TimeSpan> times = trace.program_times(0);
  EXPECT_EQ(times[0].start_ns, 100'000);
  EXPECT_EQ(times[0].end_ns, 130'000);
  EXPECT_EQ(times[1].end_ns - times[1].start_ns, 0);
  EXPECT_EQ(times[2].start_ns, 140'000);
  EXPECT_EQ(times[2].end_ns, 180'000);

  const Trace cpu = imported(path("trace.json"), "cpu");
  EXPECT_EQ(attribute(cpu).peak_bytes, 7);
  EXPECT_THAT(message_of<Error>([&] { imported(path("trace.json"), "cuda:1"); }), HasSubstr("cuda:0, cpu"));
}

TEST_F(KinetoTest, AListOfEventsAloneWillDo) {
  const json events = {op("aten::a", 0, 10), memory(1, 0x1000, 100, 100)};
  EXPECT_EQ(imported(write("list.json", events.dump())).buffers().size(), 1u);
}

TEST_F(KinetoTest, WhatIsNoTraceIsRefused) {
  EXPECT_THAT(refused(""), HasSubstr("it is empty"));
  EXPECT_THAT(refused("{\"traceEvents\": [{\"ph\": \"X\""), HasSubstr("it is cut off after 27 bytes"));
  EXPECT_THAT(refused("{\"traceEvents\": [{\"ph\": \"X\"]"), HasSubstr("not valid JSON at byte 28"));
  EXPECT_THAT(refused("{}"), HasSubstr("no traceEvents"));
  EXPECT_THAT(refused("[]"), HasSubstr("no memory events"));
  EXPECT_THAT(refused(json{op("aten::a", 0, 1)}.dump()), HasSubstr("profile_memory=True"));
  json bad = {op("aten::a", 0, 1), memory(1, 0x1000, 100, 100)};
  bad[1].erase("ts");
  EXPECT_THAT(refused(bad.dump()), HasSubstr("no time"));
  bad[1]["ts"] = 1e300;
  EXPECT_THAT(refused(bad.dump()), HasSubstr("time that cannot be"));
  bad[1] = memory(1, -5, 100, 100);
  EXPECT_THAT(refused(bad.dump()), HasSubstr("cannot be"));
  bad[1] = memory(1, 5, int64_t{1} << 60, 100);
  EXPECT_THAT(refused(bad.dump()), HasSubstr("cannot be"));
  EXPECT_THAT(refused(std::string(5000, '[')), HasSubstr("deep"));
  EXPECT_THAT(message_of<Error>([&] { imported(path("none.json")); }), HasSubstr("No such file"));
}

/// Random events in any order, then random bytes in their text: an Error at most.
TEST_F(KinetoTest, NonsenseNeverCrashes) {
  std::mt19937 random(9);
  const auto small = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  for (int round = 0; round < 400; ++round) {
    json events = json::array();
    for (int i = 0; i < 30; ++i) {
      const double ts = small(100);
      json event = small(2) ? op("op" + std::to_string(small(3)), ts, small(50),
                                 {{"External id", small(5)}, {"Sequence number", small(4)}})
                            : memory(ts, 4096 * small(6), small(200) - 100, small(1000), small(2) - 1);
      if (small(10) == 0) event = kernel(ts, small(30), small(5));
      event["tid"] = small(2);
      events.push_back(event);
    }
    std::string text = events.dump();
    for (int k = 0; k < round % 4; ++k) text[random() % text.size()] = "0123456789[]{},:\"x-e"[small(20)];
    const std::string file = write("fuzz.json", text);
    try {
      attribute(imported(file));
    } catch (const Error&) {
    }
  }
}

TEST_F(KinetoTest, ACutFileIsRefused) {
  const std::string whole = bytes_of(recorded());
  EXPECT_THAT(refused(whole.substr(0, whole.size() / 2)), HasSubstr("cut off"));
}

}  // namespace
}  // namespace tidemark
