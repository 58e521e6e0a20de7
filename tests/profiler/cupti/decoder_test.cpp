// CUPTI's records, built from its own structs, and the events they are.
#include "profiler/cupti/decoder.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <filesystem>
#include <set>

#include "base/error.h"
#include "profiler/cupti/record_file.h"
#include "tests/scratch.h"

namespace tidemark {
namespace {

/// As this version of CUPTI writes them.
#if CUPTI_API_VERSION >= 26
using MemoryRecord = CUpti_ActivityMemory4;
#else
using MemoryRecord = CUpti_ActivityMemory3;
#endif

template <typename Record>
CudaEvent decoded(const Record& record, CudaEventLog& log) {
  EXPECT_TRUE(decode(reinterpret_cast<const CUpti_Activity&>(record), log, CUPTI_API_VERSION));
  return log.events().back();
}

TEST(Decoder, Memory) {
  MemoryRecord r = {};
  r.kind = CUPTI_ACTIVITY_KIND_MEMORY2;
  r.memoryOperationType = CUPTI_ACTIVITY_MEMORY_OPERATION_TYPE_ALLOCATION;
  r.memoryKind = CUPTI_ACTIVITY_MEMORY_KIND_DEVICE;
  r.correlationId = 3;
  r.address = 0x7f0000000000;
  r.bytes = uint64_t{5} << 32;
  r.timestamp = 123'456'789'012;
  r.deviceId = 2;
  r.streamId = 9;
  CudaEventLog log;
  CudaEvent e = decoded(r, log);
  EXPECT_EQ(e.kind, CudaEvent::allocate);
  EXPECT_EQ(e.space, CudaEvent::device_memory);
  EXPECT_EQ(e.address, 0x7f0000000000u);
  EXPECT_EQ(e.bytes, int64_t{5} << 32);
  EXPECT_EQ(e.start_ns, 123'456'789'012);
  EXPECT_EQ(e.device, 2u);
  EXPECT_EQ(e.stream, 9u);
  EXPECT_EQ(e.correlation, 3u);
  r.memoryOperationType = CUPTI_ACTIVITY_MEMORY_OPERATION_TYPE_RELEASE;
  r.memoryKind = CUPTI_ACTIVITY_MEMORY_KIND_PINNED;
  e = decoded(r, log);
  EXPECT_EQ(e.kind, CudaEvent::release);
  EXPECT_EQ(e.space, CudaEvent::pinned);
  r.memoryKind = CUPTI_ACTIVITY_MEMORY_KIND_MANAGED;
  EXPECT_EQ(decoded(r, log).space, CudaEvent::managed);
  r.memoryOperationType = CUPTI_ACTIVITY_MEMORY_OPERATION_TYPE_INVALID;
  EXPECT_FALSE(decode(reinterpret_cast<const CUpti_Activity&>(r), log, CUPTI_API_VERSION));
}

/// An allocation of a pool says how large that is by then; another process's pool is that one's.
TEST(Decoder, MemoryOfPools) {
  MemoryRecord r = {};
  r.kind = CUPTI_ACTIVITY_KIND_MEMORY2;
  r.memoryOperationType = CUPTI_ACTIVITY_MEMORY_OPERATION_TYPE_ALLOCATION;
  r.memoryKind = CUPTI_ACTIVITY_MEMORY_KIND_DEVICE;
  r.deviceId = 2;
  r.address = 0x7f0000000000;
  r.timestamp = 77;
  r.memoryPoolConfig.memoryPoolType = CUPTI_ACTIVITY_MEMORY_POOL_TYPE_LOCAL;
  r.memoryPoolConfig.address = 0x1234;
  r.memoryPoolConfig.pool.size = 32 << 20;
  r.memoryPoolConfig.releaseThreshold = UINT64_MAX;
  CudaEventLog log;
  const CudaEvent pool = decoded(r, log);
  ASSERT_EQ(log.events().size(), 2u);
  EXPECT_EQ(log.events()[0].kind, CudaEvent::allocate);
  EXPECT_EQ(log.events()[0].address, 0x7f0000000000u);
  EXPECT_EQ(log.events()[0].id, 0x1234u);
  EXPECT_EQ(pool.kind, CudaEvent::pool);
  EXPECT_EQ(pool.address, 0x1234u);
  EXPECT_EQ(pool.bytes, 32 << 20);
  EXPECT_EQ(pool.id, UINT64_MAX);
  EXPECT_EQ(pool.device, 2u);
  EXPECT_EQ(pool.start_ns, 77);
  r.memoryPoolConfig.memoryPoolType = CUPTI_ACTIVITY_MEMORY_POOL_TYPE_IMPORTED;
  EXPECT_EQ(decoded(r, log).kind, CudaEvent::allocate);
  EXPECT_EQ(log.events().back().id, 0u);

  CUpti_ActivityMemoryPool2 change = {};
  change.kind = CUPTI_ACTIVITY_KIND_MEMORY_POOL;
  change.memoryPoolOperationType = CUPTI_ACTIVITY_MEMORY_POOL_OPERATION_TYPE_TRIMMED;
  change.memoryPoolType = CUPTI_ACTIVITY_MEMORY_POOL_TYPE_LOCAL;
  change.address = 0x1234;
  change.size = 4 << 20;
  change.deviceId = 1;
  change.timestamp = 99;
  CudaEvent e = decoded(change, log);
  EXPECT_EQ(e.kind, CudaEvent::pool);
  EXPECT_EQ(e.bytes, 4 << 20);
  EXPECT_EQ(e.device, 1u);
  EXPECT_EQ(e.start_ns, 99);
  change.memoryPoolOperationType = CUPTI_ACTIVITY_MEMORY_POOL_OPERATION_TYPE_DESTROYED;
  EXPECT_EQ(decoded(change, log).bytes, 0);
  change.memoryPoolType = CUPTI_ACTIVITY_MEMORY_POOL_TYPE_IMPORTED;
  EXPECT_FALSE(decode(reinterpret_cast<const CUpti_Activity&>(change), log, CUPTI_API_VERSION));
}

TEST(Decoder, Kernels) {
  CUpti_ActivityKernel9 r = {};
  r.kind = CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL;
  r.start = 1000;
  r.end = 1500;
  r.deviceId = 1;
  r.streamId = 7;
  r.correlationId = 77;
  r.graphNodeId = uint64_t{9} << 40;
  r.name = "_Z4gemmPf";
  CudaEventLog log;
  const CudaEvent e = decoded(r, log);
  EXPECT_EQ(e.kind, CudaEvent::kernel);
  EXPECT_EQ(e.start_ns, 1000);
  EXPECT_EQ(e.end_ns, 1500);
  EXPECT_EQ(e.device, 1u);
  EXPECT_EQ(e.stream, 7u);
  EXPECT_EQ(e.correlation, 77u);
  EXPECT_EQ(e.address, uint64_t{9} << 40);
  EXPECT_EQ(log.name(e.name), "_Z4gemmPf");
  r.name = nullptr;
  EXPECT_EQ(log.name(decoded(r, log).name), "");
  // CUPTI says so where it could not take the times; such a kernel would stand before all else.
  r.start = r.end = 0;
  EXPECT_FALSE(decode(reinterpret_cast<const CUpti_Activity&>(r), log, CUPTI_API_VERSION));
  EXPECT_EQ(log.events().size(), 2u);
}

template <typename Record>
Record work_record(CUpti_ActivityKind kind) {
  Record r = {};
  r.kind = kind;
  r.bytes = 4096;
  r.start = 10;
  r.end = 20;
  r.deviceId = 3;
  r.streamId = 4;
  r.correlationId = 5;
  r.graphNodeId = 6;
  return r;
}

TEST(Decoder, CopiesAndSets) {
  CudaEventLog log;
  const CudaEvent events[] = {
      decoded(work_record<CUpti_ActivityMemcpy5>(CUPTI_ACTIVITY_KIND_MEMCPY), log),
      decoded(work_record<CUpti_ActivityMemcpyPtoP4>(CUPTI_ACTIVITY_KIND_MEMCPY2), log),
      decoded(work_record<CUpti_ActivityMemset4>(CUPTI_ACTIVITY_KIND_MEMSET), log)};
  EXPECT_EQ(events[0].kind, CudaEvent::copy);
  EXPECT_EQ(events[1].kind, CudaEvent::copy);
  EXPECT_EQ(events[2].kind, CudaEvent::set);
  for (const CudaEvent& e : events) {
    EXPECT_EQ(e.bytes, 4096);
    EXPECT_EQ(e.start_ns, 10);
    EXPECT_EQ(e.end_ns, 20);
    EXPECT_EQ(e.device, 3u);
    EXPECT_EQ(e.stream, 4u);
    EXPECT_EQ(e.correlation, 5u);
    EXPECT_EQ(e.address, 6u);
  }
}

TEST(Decoder, Ranges) {
  CUpti_ActivityMarker2 r = {};
  r.kind = CUPTI_ACTIVITY_KIND_MARKER;
  r.flags = CUPTI_ACTIVITY_FLAG_MARKER_START;
  r.timestamp = 55;
  r.id = 12;
  r.objectKind = CUPTI_ACTIVITY_OBJECT_THREAD;
  r.objectId.pt.processId = 1;
  r.objectId.pt.threadId = 99;
  r.name = "forward";
  CudaEventLog log;
  CudaEvent e = decoded(r, log);
  EXPECT_EQ(e.kind, CudaEvent::range_begin);
  EXPECT_EQ(e.thread, 99u);
  EXPECT_EQ(e.id, 12u);
  EXPECT_EQ(e.start_ns, 55);
  EXPECT_EQ(log.name(e.name), "forward");
  r.flags = CUPTI_ACTIVITY_FLAG_MARKER_END;
  r.name = nullptr;
  EXPECT_EQ(decoded(r, log).kind, CudaEvent::range_end);
  r.flags = CUPTI_ACTIVITY_FLAG_MARKER_INSTANTANEOUS;
  EXPECT_FALSE(decode(reinterpret_cast<const CUpti_Activity&>(r), log, CUPTI_API_VERSION));
}

TEST(Decoder, CallsIdsAndSynchronisation) {
  CudaEventLog log;
  CUpti_ActivityAPI call = {};
  call.kind = CUPTI_ACTIVITY_KIND_RUNTIME;
  call.start = 1;
  call.end = 2;
  call.threadId = 6;
  call.correlationId = 8;
  CudaEvent e = decoded(call, log);
  EXPECT_EQ(e.kind, CudaEvent::call);
  EXPECT_EQ(e.thread, 6u);
  EXPECT_EQ(e.correlation, 8u);
  CUpti_ActivityExternalCorrelation id = {};
  id.kind = CUPTI_ACTIVITY_KIND_EXTERNAL_CORRELATION;
  id.externalKind = kOpCorrelation;
  id.externalId = uint64_t{1} << 40;
  id.correlationId = 8;
  e = decoded(id, log);
  EXPECT_EQ(e.kind, CudaEvent::external);
  EXPECT_EQ(e.id, uint64_t{1} << 40);
  EXPECT_EQ(e.correlation, 8u);
  id.externalKind = CUPTI_EXTERNAL_CORRELATION_KIND_CUSTOM0;  // PyTorch's
  EXPECT_FALSE(decode(reinterpret_cast<const CUpti_Activity&>(id), log, CUPTI_API_VERSION));
  CUpti_ActivitySynchronization wait = {};
  wait.kind = CUPTI_ACTIVITY_KIND_SYNCHRONIZATION;
  wait.start = 30;
  wait.end = 90;
  wait.streamId = 4;
  e = decoded(wait, log);
  EXPECT_EQ(e.kind, CudaEvent::synchronize);
  wait.type = CUPTI_ACTIVITY_SYNCHRONIZATION_TYPE_STREAM_WAIT_EVENT;
  EXPECT_FALSE(decode(reinterpret_cast<const CUpti_Activity&>(wait), log, CUPTI_API_VERSION));
  EXPECT_EQ(e.end_ns - e.start_ns, 60);
  EXPECT_EQ(e.stream, 4u);
}

TEST(Decoder, CallsThatStartSomething) {
  for (const char* call :
       {"cudaLaunchKernel_v7000", "cudaLaunchKernelExC_v11060", "cuLaunchKernelEx", "cudaGraphLaunch_v10000",
        "cudaMemcpyAsync_v3020", "cuMemcpyHtoDAsync_v2", "cudaMemsetAsync_v3020", "cuMemsetD8Async",
        "cudaMalloc_v3020", "cudaMallocAsync_v11020", "cuMemAlloc_v2", "cuMemAllocAsync", "cudaFree_v3020",
        "cudaHostAlloc_v3020", "cuMemMap"})
    EXPECT_TRUE(starts_something(call)) << call;
  for (const char* call : {"cudaGetDevice_v3020", "cudaStreamIsCapturing_v10000", "cudaEventQuery_v3020",
                           "cudaEventRecord_v3020", "cudaStreamSynchronize_v3020", "cuCtxGetCurrent",
                           "cudaFuncGetAttributes_v3020", "cudaGetLastError_v3020"})
    EXPECT_FALSE(starts_something(call)) << call;
}

TEST(Decoder, OtherKindsAreNoEvents) {
  CUpti_Activity r = {};
  r.kind = CUPTI_ACTIVITY_KIND_OVERHEAD;
  CudaEventLog log;
  EXPECT_FALSE(decode(r, log, CUPTI_API_VERSION));
  EXPECT_TRUE(log.events().empty());
}

class RecordFile : public ScratchTest {};

/// From a file they decode to what they did when they were written.
TEST_F(RecordFile, RecordsAreWhatTheyWere) {
  const std::string name = "gemm";
  CUpti_ActivityKernel9 kernel = {};
  kernel.kind = CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL;
  kernel.start = 5;
  kernel.end = 9;
  kernel.name = name.c_str();
  CUpti_ActivityMarker2 marker = {};  // without a name
  marker.kind = CUPTI_ACTIVITY_KIND_MARKER;
  marker.flags = CUPTI_ACTIVITY_FLAG_MARKER_END;
  auto copy = work_record<CUpti_ActivityMemcpy5>(CUPTI_ACTIVITY_KIND_MEMCPY);
  MemoryRecord memory = {};
  memory.kind = CUPTI_ACTIVITY_KIND_MEMORY2;
  memory.memoryOperationType = CUPTI_ACTIVITY_MEMORY_OPERATION_TYPE_ALLOCATION;
  memory.bytes = 77;
  CudaEventLog direct, read;
  {
    RecordWriter writer(path("x.records"), CUPTI_API_VERSION);
    const auto add = [&](const auto& record, bool is_kept = true) {
      writer.add(reinterpret_cast<const CUpti_Activity&>(record), sizeof record);
      if (is_kept) decoded(record, direct);
    };
    add(marker);
    add(kernel);
    add(memory);
    add(copy);
#if CUPTI_API_VERSION >= 26
    memory.source = name.c_str();
    add(memory);
#endif
    for (int i = 1; i < RecordWriter::kOfEachKind; ++i) add(kernel);
    add(kernel, false);
  }
  read_records(path("x.records"), [&](const CUpti_Activity& record, uint32_t version) {
    EXPECT_EQ(version, uint32_t{CUPTI_API_VERSION});
    EXPECT_TRUE(decode(record, read, version));
  });
  ASSERT_EQ(read.events().size(), direct.events().size());
  for (size_t i = 0; i < read.events().size(); ++i) {
    const CudaEvent &a = direct.events()[i], &b = read.events()[i];
    EXPECT_EQ(a.kind, b.kind);
    EXPECT_EQ(a.start_ns, b.start_ns);
    EXPECT_EQ(a.bytes, b.bytes);
    EXPECT_EQ(direct.name(a.name), read.name(b.name));
  }
  const std::string whole = bytes_of(path("x.records"));
  for (size_t length = 1; length < whole.size(); length += 7) {
    size_t count = 0;
    const std::string cut = write("cut.records", whole.substr(0, length));
    try {
      read_records(cut, [&](const CUpti_Activity&, uint32_t) { ++count; });
    } catch (const Error&) {
    }
    EXPECT_LT(count, direct.events().size());
  }
}

/// Of real programs (scripts/gpu-check keeps some), as far as there are any.
TEST(Decoder, RecordsOfRealPrograms) {
  const std::filesystem::path folder = std::string(TIDEMARK_TEST_DATA) + "/cupti";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "none has been recorded yet";
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    CudaEventLog log;
    read_records(file.path().string(),
                 [&](const CUpti_Activity& record, uint32_t version) { decode(record, log, version); });
    std::set<CudaEvent::Kind> kinds;
    for (const CudaEvent& e : log.events()) {
      kinds.insert(e.kind);
      EXPECT_LE(e.start_ns, e.end_ns);
      EXPECT_LT(e.device, 64u);
      EXPECT_TRUE(e.kind != CudaEvent::kernel || !log.name(e.name).empty());
      EXPECT_TRUE(e.kind != CudaEvent::copy || e.bytes > 0);
      EXPECT_TRUE(e.kind != CudaEvent::allocate || (e.bytes > 0 && e.address != 0));
    }
    for (const auto kind : {CudaEvent::allocate, CudaEvent::kernel, CudaEvent::copy, CudaEvent::call})
      EXPECT_TRUE(kinds.contains(kind)) << file.path() << ": " << kind;
  }
}

#if CUPTI_API_VERSION >= 26
TEST(Decoder, WhoAskedForMemory) {
  CUpti_ActivityMemory4 r = {};
  r.kind = CUPTI_ACTIVITY_KIND_MEMORY2;
  r.memoryOperationType = CUPTI_ACTIVITY_MEMORY_OPERATION_TYPE_ALLOCATION;
  r.source = "/usr/lib/libnccl.so.2";
  CudaEventLog log;
  EXPECT_EQ(log.name(decoded(r, log).name), "/usr/lib/libnccl.so.2");
  r.source = nullptr;
  EXPECT_EQ(decoded(r, log).name, 0u);
  // Records of older versions end before it.
  r.source = reinterpret_cast<const char*>(1);
  EXPECT_TRUE(decode(reinterpret_cast<const CUpti_Activity&>(r), log, kCuptiWithSources - 1));
  EXPECT_EQ(log.events().back().name, 0u);
}
#endif

#if CUPTI_API_VERSION >= 130000
/// What decode() relies on: newer records begin like the ones it reads.
TEST(Decoder, FieldsStayWhereTheyWere) {
#define SAME_PLACE(older, newer, field) EXPECT_EQ(offsetof(older, field), offsetof(newer, field))
  SAME_PLACE(CUpti_ActivityMemory3, CUpti_ActivityMemory4, address);
  SAME_PLACE(CUpti_ActivityMemory3, CUpti_ActivityMemory4, bytes);
  SAME_PLACE(CUpti_ActivityMemory3, CUpti_ActivityMemory4, timestamp);
  SAME_PLACE(CUpti_ActivityMemory3, CUpti_ActivityMemory4, deviceId);
  SAME_PLACE(CUpti_ActivityMemory3, CUpti_ActivityMemory4, memoryPoolConfig);
  SAME_PLACE(CUpti_ActivityMemoryPool2, CUpti_ActivityMemoryPool3, size);
  SAME_PLACE(CUpti_ActivityMemoryPool2, CUpti_ActivityMemoryPool3, timestamp);
  SAME_PLACE(CUpti_ActivityKernel9, CUpti_ActivityKernel10, start);
  SAME_PLACE(CUpti_ActivityKernel9, CUpti_ActivityKernel10, correlationId);
  SAME_PLACE(CUpti_ActivityKernel9, CUpti_ActivityKernel10, name);
  SAME_PLACE(CUpti_ActivityKernel9, CUpti_ActivityKernel10, graphNodeId);
  SAME_PLACE(CUpti_ActivityMemcpy5, CUpti_ActivityMemcpy6, bytes);
  SAME_PLACE(CUpti_ActivityMemcpy5, CUpti_ActivityMemcpy6, correlationId);
  SAME_PLACE(CUpti_ActivityMemcpy5, CUpti_ActivityMemcpy6, graphNodeId);
  SAME_PLACE(CUpti_ActivitySynchronization, CUpti_ActivitySynchronization2, end);
#undef SAME_PLACE
}
#endif

}  // namespace
}  // namespace tidemark
