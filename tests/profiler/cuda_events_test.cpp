// Events of a CUDA program, made up, and the trace they become.
#include "profiler/cupti/cuda_events.h"

#include <gmock/gmock.h>

#include "base/live_bytes.h"
#include "profiler/attribution.h"
#include "profiler/export/chrome_trace.h"
#include "profiler/report.h"
#include "tests/scratch.h"

namespace tidemark {
namespace {

CudaEvent memory(CudaEvent::Kind kind, int64_t time, uint64_t address, int64_t bytes, uint32_t device = 0,
                 CudaEvent::Space space = CudaEvent::device_memory) {
  CudaEvent e;
  e.kind = kind;
  e.space = space;
  e.device = device;
  e.start_ns = e.end_ns = time;
  e.address = address;
  e.bytes = bytes;
  return e;
}
CudaEvent work(int64_t start, int64_t end, uint32_t correlation, uint32_t name, uint32_t device = 0) {
  CudaEvent e;
  e.kind = name ? CudaEvent::kernel : CudaEvent::copy;
  e.device = device;
  e.start_ns = start;
  e.end_ns = end;
  e.correlation = correlation;
  e.name = name;
  return e;
}
CudaEvent range(CudaEvent::Kind kind, int64_t time, uint64_t id, uint32_t thread, uint32_t name = 0) {
  CudaEvent e;
  e.kind = kind;
  e.start_ns = e.end_ns = time;
  e.id = id;
  e.thread = thread;
  e.name = name;
  return e;
}
CudaEvent call(int64_t time, uint32_t correlation, uint32_t thread) {
  CudaEvent e;
  e.kind = CudaEvent::call;
  e.start_ns = e.end_ns = time;
  e.correlation = correlation;
  e.thread = thread;
  return e;
}

class CudaEventsTest : public ScratchTest {
 protected:
  Trace written(uint32_t device = 0) const {
    log_.write_trace(path("run.tide"), device, {{"model", "program"}});
    return Trace(path("run.tide"));
  }
  CudaEventLog log_;
};

TEST_F(CudaEventsTest, MemoryOfEachDeviceApart) {
  log_.add(memory(CudaEvent::allocate, 10, 0x1000, 100, 0));
  log_.add(memory(CudaEvent::allocate, 20, 0x9000, 7, 1));
  log_.add(memory(CudaEvent::allocate, 30, 0x2000, 50, 0, CudaEvent::managed));
  log_.add(memory(CudaEvent::release, 40, 0x1000, 0, 0));
  log_.add(memory(CudaEvent::allocate, 50, 0x3000, 30, 0));
  log_.add(memory(CudaEvent::allocate, 55, 0x5000, 1000, 0, CudaEvent::pinned));
  log_.add(memory(CudaEvent::release, 60, 0x5000, 0, 0, CudaEvent::pinned));
  log_.add(memory(CudaEvent::allocate, 65, 0x6000, 500, 0, CudaEvent::pinned));
  EXPECT_EQ(log_.devices(), (std::vector<uint32_t>{0, 1}));
  EXPECT_EQ(log_.pinned_peak_bytes(), 1000);
  EXPECT_EQ(attribute(written(0)).peak_bytes, 150);
  EXPECT_EQ(attribute(written(1)).peak_bytes, 7);
  EXPECT_EQ(written(0).metadata()["pinned_peak_bytes"], 1000);
  EXPECT_EQ(written(0).metadata()["open_at_end"], 2);
}

/// A pool (cudaMallocAsync) has more of the device than is allocated from it.
TEST_F(CudaEventsTest, WhatAPoolKeepsIsShown) {
  const auto of_pool = [&](CudaEvent::Kind kind, int64_t time, uint64_t address, int64_t bytes,
                           int64_t pool_bytes) {
    CudaEvent e = memory(kind, time, address, bytes);
    e.id = 0x77;
    log_.add(e);
    e = memory(CudaEvent::pool, time, 0x77, pool_bytes);
    e.id = UINT64_MAX;  // it gives nothing back by itself
    log_.add(e);
  };
  of_pool(CudaEvent::allocate, 10, 0x1000, 100, 320);
  of_pool(CudaEvent::allocate, 20, 0x2000, 200, 320);
  of_pool(CudaEvent::release, 30, 0x1000, 0, 320);
  of_pool(CudaEvent::allocate, 40, 0x3000, 250, 640);
  log_.add(memory(CudaEvent::allocate, 50, 0x9000, 7));
  of_pool(CudaEvent::release, 60, 0x3000, 0, 640);
  CudaEvent trimmed = memory(CudaEvent::pool, 70, 0x77, 210);
  trimmed.id = UINT64_MAX;
  log_.add(trimmed);
  log_.add(memory(CudaEvent::allocate, 80, 0xA000, 1));
  log_.add(memory(CudaEvent::allocate, 80, 0xB000, 5, 1));  // another device
  const Trace trace = written();
  const auto live = live_in_all(trace.buffers(), trace.program().size());
  // At every step all that the pool has, but for the moment between an allocation's two records.
  std::vector<int64_t> seen;
  for (const int64_t bytes : live)
    if (seen.empty() || seen.back() != bytes) seen.push_back(bytes);
  EXPECT_EQ(seen, (std::vector<int64_t>{100, 320, 450, 640, 647, 217, 218}));
  int64_t rest = 0;
  for (const TraceBuffer& b : trace.buffers())
    if (b.module == Name("(memory pool)") && lives_at(b, static_cast<int32_t>(live.size()) - 1))
      rest += b.bytes;
  EXPECT_EQ(rest, 10);
  EXPECT_EQ(attribute(trace).peak_bytes, 647);
}

/// By default a pool gives back what is free when the program waits for the device, of which nobody tells.
TEST_F(CudaEventsTest, WhatAPoolGivesBackUnseenIsNotShown) {
  CudaEvent e = memory(CudaEvent::allocate, 10, 0x1000, 100);
  e.id = 0x77;
  log_.add(e);
  log_.add(memory(CudaEvent::pool, 10, 0x77, 320));
  EXPECT_EQ(attribute(written()).peak_bytes, 100);
}

/// Kernels run long after they were started: what counts is where that was.
TEST_F(CudaEventsTest, ModulesAreTheRangesOfTheStartingThread) {
  const uint32_t model = log_.intern("model"), layer = log_.intern("layer0"), other = log_.intern("loader");
  log_.add(range(CudaEvent::range_begin, 0, 1, 7, model));
  log_.add(range(CudaEvent::range_begin, 5, 2, 7, layer));
  log_.add(range(CudaEvent::range_begin, 6, 3, 8, other));
  log_.add(memory(CudaEvent::allocate, 8, 0x1000, 64));
  log_.add(call(10, 100, 7));
  log_.add(call(11, 101, 8));
  log_.add(range(CudaEvent::range_end, 12, 2, 7));
  log_.add(call(13, 102, 7));
  log_.add(range(CudaEvent::range_end, 20, 1, 7));
  log_.add(work(30, 40, 100, log_.intern("_Z4gemmPf")));
  log_.add(work(40, 45, 101, 0));
  log_.add(work(45, 60, 102, log_.intern("void sum<float>(float*)")));
  const Trace trace = written();
  ASSERT_EQ(trace.program().size(), 4u);
  EXPECT_EQ(trace.program()[0].module, "model.layer0");
  EXPECT_EQ(trace.buffers()[0].module, "model.layer0");
  EXPECT_EQ(trace.program()[1].kind, "gemm");
  EXPECT_EQ(trace.program()[1].module, "model.layer0");
  EXPECT_EQ(trace.program()[2].kind, "memcpy");
  EXPECT_EQ(trace.program()[2].module, "loader");
  EXPECT_EQ(trace.program()[3].kind, "sum");
  EXPECT_EQ(trace.program()[3].module, "model");
  EXPECT_EQ(trace.program_times(0)[3].end_ns, 60);
}

CudaEvent named_op(uint64_t id, uint32_t name, int32_t step, Phase phase) {
  CudaEvent e;
  e.kind = CudaEvent::named_op;
  e.id = id;
  e.name = name;
  e.bytes = step;
  e.phase = phase;
  return e;
}
CudaEvent external(uint32_t correlation, uint64_t id) {
  CudaEvent e;
  e.kind = CudaEvent::external;
  e.correlation = correlation;
  e.id = id;
  return e;
}
CudaEvent graph_node(uint64_t node, uint64_t id) {
  CudaEvent e;
  e.kind = CudaEvent::graph_node;
  e.address = node;
  e.id = id;
  return e;
}
CudaEvent work_of_node(int64_t start, int64_t end, uint32_t correlation, uint32_t name, uint64_t node) {
  CudaEvent e = work(start, end, correlation, name);
  e.address = node;
  return e;
}

/// Launched one by one, an op's work has a correlation; in a graph, which has one for all, a node.
TEST_F(CudaEventsTest, OpsHaveWhatTheyStarted) {
  const uint32_t up = log_.intern("layers.0.mlp.up"), load = log_.intern("(upload)");
  const uint32_t gemm = log_.intern("gemm"), other = log_.intern("other"), train = log_.intern("train");
  log_.add(range(CudaEvent::range_begin, 0, 1, 7, train));
  log_.add(memory(CudaEvent::allocate, 1, 0x1000, 64));
  for (const uint32_t correlation : {4u, 5u, 6u, 7u}) log_.add(call(2, correlation, 7));
  log_.add(work(10, 20, 4, 0));
  log_.add(work(20, 50, 5, gemm));
  log_.add(work_of_node(50, 70, 6, gemm, 901));
  log_.add(work_of_node(70, 71, 6, other, 902));
  log_.add(work_of_node(71, 90, 6, gemm, 903));
  log_.add(work(90, 91, 7, other));
  // CUPTI may hand it over last.
  log_.add(named_op(1, load, -1, Phase::prepare));
  log_.add(named_op(2, up, 17, Phase::forward));
  log_.add(named_op(3, up, 29, Phase::backward));
  log_.add(named_op(4, train, 30, Phase::backward));  // starts nothing
  log_.add(external(4, 1));
  log_.add(external(5, 2));
  log_.add(external(6, 1));  // of the launch of the graph
  log_.add(graph_node(901, 2));
  log_.add(graph_node(903, 3));
  const Trace trace = written();
  struct Row {
    std::string kind, module;
    Phase phase;
    bool operator==(const Row&) const = default;
  };
  std::vector<Row> rows;
  for (const ProgramStep& s : trace.program()) rows.push_back({s.kind, s.module, s.phase});
  EXPECT_EQ(rows, (std::vector<Row>{{"memory operation", "train", Phase::forward},
                                    {"memcpy", "(upload)", Phase::prepare},
                                    {"gemm", "layers.0.mlp.up #17", Phase::forward},
                                    {"gemm", "layers.0.mlp.up #17", Phase::forward},
                                    {"other", "(upload)", Phase::prepare},
                                    {"gemm", "layers.0.mlp.up #29", Phase::backward},
                                    {"other", "train", Phase::forward}}));
  EXPECT_EQ(trace.metadata()["named_ops"], 3);

  const Attribution attribution = attribute(trace);
  ASSERT_EQ(attribution.named_ops.size(), 3u);
  EXPECT_EQ(attribution.named_ops[0].op, "layers.0.mlp.up");
  EXPECT_EQ(attribution.named_ops[0].calls, 3);
  EXPECT_DOUBLE_EQ(attribution.named_ops[0].seconds, 69e-9);
  const nlohmann::json rows_of_json = report_json(trace, attribution)["named_ops"];
  EXPECT_EQ(rows_of_json[1]["op"], "(upload)");
  EXPECT_EQ(rows_of_json[1]["calls"], 2);
  EXPECT_DOUBLE_EQ(rows_of_json[1]["seconds"], 11e-9);
  std::ostringstream text;
  print_report(text, trace, attribution);
  EXPECT_THAT(text.str(), ::testing::ContainsRegex("time on the device, by op +launches +in all +share\n"
                                                   "  layers.0.mlp.up +3 +0.1 us +85.2 %\n"));
  std::istringstream lines(text.str());
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80u) << line;

  export_chrome_trace(trace, path("run.json"));
  std::vector<std::tuple<std::string, double, double>> ops;
  const auto exported = nlohmann::json::parse(bytes_of(path("run.json")));
  for (const auto& event : exported["traceEvents"])
    if (event.value("cat", "") == "op") ops.emplace_back(event["args"]["op"], event["ts"], event["dur"]);
  EXPECT_EQ(ops, (std::vector<std::tuple<std::string, double, double>>{{"(upload)", 0.009, 0.01},
                                                                       {"layers.0.mlp.up #17", 0.019, 0.05},
                                                                       {"(upload)", 0.069, 0.001},
                                                                       {"layers.0.mlp.up #29", 0.07, 0.019},
                                                                       {"train", 0.089, 0.001}}));
}

TEST_F(CudaEventsTest, ProgramsThatNameNoOpsAreAsTheyWere) {
  log_.add(memory(CudaEvent::allocate, 1, 0x1000, 64));
  log_.add(work_of_node(10, 20, 4, log_.intern("gemm"), 901));
  const Trace trace = written();
  EXPECT_EQ(trace.program()[1].module, "(no range)");
  EXPECT_FALSE(trace.metadata().contains("named_ops"));
  std::ostringstream text;
  print_report(text, trace, attribute(trace));
  EXPECT_THAT(text.str(), ::testing::Not(::testing::HasSubstr("by op")));
  export_chrome_trace(trace, path("run.json"));
  EXPECT_THAT(bytes_of(path("run.json")), ::testing::Not(::testing::HasSubstr(R"("cat":"op")")));
}

TEST_F(CudaEventsTest, WaitsAreAddedUp) {
  log_.add(memory(CudaEvent::allocate, 1, 0x1000, 64));
  EXPECT_FALSE(written().metadata().contains("waits"));
  for (const int64_t length : {1'000'000, 2'500'000}) {
    CudaEvent wait;
    wait.kind = CudaEvent::synchronize;
    wait.start_ns = 500;
    wait.end_ns = 500 + length;
    log_.add(wait);
  }
  const Trace trace = written();
  EXPECT_EQ(trace.metadata()["waits"], 2);
  EXPECT_DOUBLE_EQ(trace.metadata()["wait_seconds"], 3.5e-3);
  std::ostringstream text;
  print_report(text, trace, attribute(trace));
  EXPECT_THAT(text.str(), ::testing::HasSubstr("waits        2 times for the device, 3.5 ms in all\n"));
}

TEST_F(CudaEventsTest, NamesOfKernels) {
  EXPECT_EQ(short_kernel_name("void at::native::vectorized_kernel<4, float>(int, float)"),
            "at::native::vectorized_kernel");
  EXPECT_EQ(short_kernel_name("_ZN2at6native6kernelIfEEvi"), "at::native::kernel");
  EXPECT_EQ(short_kernel_name("void (anonymous namespace)::fill<int>(int*)"), "(anonymous namespace)::fill");
  EXPECT_EQ(short_kernel_name("sm90_xmma_gemm_bf16"), "sm90_xmma_gemm_bf16");
  EXPECT_EQ(short_kernel_name(""), "");
}

}  // namespace
}  // namespace tidemark
