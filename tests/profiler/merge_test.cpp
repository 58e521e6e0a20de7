// CUPTI's events and the allocator's history of the same run (tests/data/imports/write_pickles.py): a segment
// of 2 MiB on device 1, whose every byte is known.
#include <gmock/gmock.h>

#include <map>

#include "base/error.h"
#include "profiler/attribution.h"
#include "profiler/cupti/cuda_events.h"
#include "profiler/cupti/process_traces.h"
#include "profiler/import/snapshot.h"
#include "tests/scratch.h"

namespace tidemark {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kMiB = 1 << 20;
constexpr int64_t kStart = 1000;  // of our clock: the snapshot's first event
constexpr int64_t kUnixOffset = 1'700'000'000'000'010'000 - kStart;  // which the Unix clock says so
constexpr uint64_t kSegment = 0x7F0000000000;

int64_t at(int event) {
  return kStart + 10'000 * event;
}

class MergeTest : public ScratchTest {
 protected:
  void SetUp() override {
    ScratchTest::SetUp();
    log_.set_unix_offset(kUnixOffset);
    sample(kStart - 900, 500 * kMiB);
    memory(CudaEvent::allocate, kStart - 500, 0x7E0000000000, kMiB, log_.intern("/usr/lib/libnccl.so.2"));
    memory(CudaEvent::allocate, kStart - 100, segment_, 2 * kMiB, log_.intern("libcudart.so.12"));
  }

  void memory(CudaEvent::Kind kind, int64_t time, uint64_t address, int64_t bytes, uint32_t name = 0) {
    CudaEvent e;
    e.kind = kind;
    e.device = 1;
    e.start_ns = e.end_ns = time;
    e.address = address;
    e.bytes = bytes;
    e.name = name;
    log_.add(e);
  }
  void sample(int64_t time, int64_t bytes) { memory(CudaEvent::in_use, time, 0, bytes); }

  static std::string snapshot() { return std::string(TIDEMARK_TEST_DATA) + "/imports/snapshot.p4.pickle"; }
  Trace merged() const {
    const Snapshot snapshot(MergeTest::snapshot());
    log_.write_trace(path("run.tide"), 1, {{"model", "program"}}, {.snapshot = &snapshot});
    return Trace(path("run.tide"));
  }
  /// What a process leaves of its traces when its snapshot is `pickle`, and what it says.
  std::vector<std::string> complaints(const std::string& pickle) const {
    write("4711.pickle", pickle);
    std::vector<std::string> said;
    write_process_traces(log_, folder_, 4711, {{"model", "program"}},
                         [&](const std::string& why) { said.push_back(why); });
    return said;
  }

  CudaEventLog log_;
  uint64_t segment_ = kSegment;
};

TEST_F(MergeTest, EveryByteIsExplained) {
  sample(at(6), 503 * kMiB);  // in the second backward pass, at which most is allocated
  const Attribution a = attribute(merged());
  EXPECT_EQ(a.device_used_bytes, 503 * kMiB);
  EXPECT_EQ(a.device_explained_bytes, 503 * kMiB);
  EXPECT_DOUBLE_EQ(a.coverage, 1);
  EXPECT_EQ(a.peak_bytes, 503 * kMiB);
}

TEST_F(MergeTest, BlocksCacheAndWhatLiesOutside) {
  const Trace trace = merged();
  std::map<std::string, int64_t> modules, peak;
  for (const ProgramStep& s : trace.program()) EXPECT_FALSE(s.module.empty());
  // All steps but the first two, the driver's word and the allocation outside, hold the same bytes; blocks
  // have most of them in the second backward pass.
  int32_t step = 0;
  int64_t least_cache = INT64_MAX;
  for (int32_t i = 2; i < static_cast<int32_t>(trace.program().size()); ++i) {
    int64_t total = 0, cache = 0;
    for (const TraceBuffer& b : trace.buffers())
      if (lives_at(b, i)) {
        total += b.bytes;
        cache += b.name == "allocator cache" ? b.bytes : 0;
      }
    EXPECT_EQ(total, 503 * kMiB) << i;
    if (cache < least_cache) least_cache = cache, step = i;
  }
  EXPECT_EQ(least_cache, 2 * kMiB - 28672);
  for (const TraceBuffer& b : trace.buffers())
    if (lives_at(b, step)) modules[b.module] += b.bytes, peak[std::string(name_of(b.category))] += b.bytes;
  EXPECT_EQ(modules["(CUDA context)"], 500 * kMiB);
  EXPECT_EQ(modules["(libnccl.so.2)"], kMiB);
  EXPECT_EQ(modules["train:main.model:forward"], 10240);
  EXPECT_EQ(modules.count("(libcudart.so.12)"), 0u);  // that is the allocator's segment
  EXPECT_EQ(peak["parameter"], 4096 + 2048);
  EXPECT_EQ(peak["optimizer_state"], 8192);
  EXPECT_EQ(peak["gradient"], 4096);
  EXPECT_EQ(peak["runtime"], 503 * kMiB - 28672);
}

TEST_F(MergeTest, WhatTheDriverTookSinceIsNotExplained) {
  sample(at(6), 603 * kMiB);
  const Attribution a = attribute(merged());
  EXPECT_EQ(a.device_explained_bytes, 503 * kMiB);
  EXPECT_DOUBLE_EQ(a.coverage, 503.0 / 603.0);
}

/// A device on which others have memory: a context is not that large.
TEST_F(MergeTest, MuchThatNobodyAllocatedIsOfOthersToo) {
  log_ = {};
  sample(kStart, 500 * kMiB);
  memory(CudaEvent::allocate, kStart + 10, 0x7D0000000000, kMiB);
  const auto module_of = [&] {
    log_.write_trace(path("run.tide"), 1, {{"model", "program"}});
    return attribute(Trace(path("run.tide"))).modules.front().name;
  };
  EXPECT_EQ(module_of(), "(CUDA context)");
  log_ = {};
  sample(kStart, 60'000 * kMiB);
  memory(CudaEvent::allocate, kStart + 10, 0x7D0000000000, kMiB);
  EXPECT_EQ(module_of(), "(CUDA context, other programs)");
}

/// The driver is asked while a long kernel runs, in which memory comes and goes: the host's time and the
/// device's are not of one order.
TEST_F(MergeTest, WhatIsInUseIsComparedWithThatMoment) {
  const auto run = [&](int64_t from, int64_t to) {
    CudaEvent kernel;
    kernel.kind = CudaEvent::kernel;
    kernel.device = 1;
    kernel.name = log_.intern("gemm");
    kernel.start_ns = from;
    kernel.end_ns = to;
    log_.add(kernel);
  };
  run(1'000'000, 9'000'000);
  memory(CudaEvent::allocate, 2'000'000, 0x7A0000000000, 50 * kMiB);
  memory(CudaEvent::allocate, 3'000'000, 0x7B0000000000, 70 * kMiB);
  memory(CudaEvent::release, 4'000'000, 0x7A0000000000, 0);
  sample(5'000'000, 573 * kMiB);
  memory(CudaEvent::release, 6'000'000, 0x7B0000000000, 0);
  log_.write_trace(path("run.tide"), 1, {{"model", "program"}});
  const Attribution a = attribute(Trace(path("run.tide")));
  EXPECT_EQ(a.device_used_bytes, 573 * kMiB);
  EXPECT_EQ(a.device_explained_bytes, 573 * kMiB);
}

/// CUPTI's kernels know no Python; what was allocated just before they were started does.
TEST_F(MergeTest, KernelsBelongToTheCodeThatStartedThem) {
  CudaEvent call;
  call.kind = CudaEvent::call;
  call.correlation = 5;
  call.start_ns = call.end_ns = at(2) + 3000;  // after the activation of the first forward pass
  log_.add(call);
  CudaEvent kernel;
  kernel.kind = CudaEvent::kernel;
  kernel.device = 1;
  kernel.correlation = 5;
  kernel.name = log_.intern("gemm");
  kernel.start_ns = at(3) + 5000;
  kernel.end_ns = at(4) + 7000;  // over the next event, which does not cut it off
  log_.add(kernel);
  const Trace trace = merged();
  const auto times = trace.program_times(0);
  for (size_t i = 0; i < trace.program().size(); ++i) {
    if (trace.program()[i].kind != "gemm") continue;
    EXPECT_EQ(trace.program()[i].module, "train:main.model:forward");
    EXPECT_EQ(times[i].end_ns - times[i].start_ns, 12'000);
    return;
  }
  ADD_FAILURE() << "no kernel";
}

TEST_F(MergeTest, AMergedSnapshotGoes) {
  EXPECT_THAT(complaints(bytes_of(snapshot())), IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(path("4711.pickle")));
  EXPECT_EQ(Trace(path("4711-1.tide")).metadata()["source"], "CUPTI and PyTorch's allocator");
}

/// A disk that is full but for what the journal takes.
TEST_F(MergeTest, AnotherTryWhereThereIsRoomThen) {
  std::filesystem::create_directory(path("4711-1.tide"));  // in its place nothing can be written
  write("4711-1.tide/in", "the way");
  std::vector<std::string> said;
  const auto written = [&](bool has_room) {
    said.clear();
    write_process_traces(
        log_, folder_, 4711, {{"model", "program"}}, [&](const std::string& why) { said.push_back(why); },
        [&] { return has_room && std::filesystem::remove_all(path("4711-1.tide")) > 0; });
    return std::filesystem::is_regular_file(path("4711-1.tide"));
  };
  EXPECT_FALSE(written(false));
  EXPECT_THAT(said, ElementsAre(HasSubstr("cannot write the trace")));
  EXPECT_TRUE(written(true));
  EXPECT_THAT(said, IsEmpty());
}

/// One line says why, the snapshot stays, and so does what CUPTI saw.
TEST_F(MergeTest, WhatCannotBeMergedLosesNothing) {
  std::string timeless = bytes_of(snapshot());
  for (size_t i = timeless.find("time_us"); i != std::string::npos; i = timeless.find("time_us", i))
    timeless.replace(i, 7, "time_xx");
  const std::string whole = bytes_of(snapshot());
  const auto survives = [&] {
    EXPECT_TRUE(std::filesystem::exists(path("4711.pickle")));
    const Trace trace(path("4711-1.tide"));
    EXPECT_EQ(trace.metadata()["source"], "CUPTI");
    EXPECT_EQ(attribute(trace).peak_bytes, 503 * kMiB);
  };
  EXPECT_THAT(complaints(timeless), ElementsAre(HasSubstr("its events have no times")));
  survives();
  EXPECT_THAT(complaints(whole.substr(0, whole.size() / 2)), ElementsAre(HasSubstr("cut off")));
  survives();
  log_ = {};
  segment_ = 0x7D0000000000;  // of another process: its segment lies elsewhere
  memory(CudaEvent::allocate, kStart - 100, segment_, 503 * kMiB);
  EXPECT_THAT(complaints(whole),
              ElementsAre(HasSubstr("none of its 1 segments is an allocation of this process")));
  survives();
}

}  // namespace
}  // namespace tidemark
