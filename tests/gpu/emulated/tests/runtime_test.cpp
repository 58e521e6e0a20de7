// Streams, events, graphs and memory of the emulated CUDA runtime: what CUDA promises, and no more.
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <cstring>
#include <set>

#include "tests/gpu/emulated/gpu.h"

namespace tidemark::emulated {
namespace {

constexpr size_t kBytes = 4096;

struct Runtime : ::testing::Test {
  Runtime() {
    EXPECT_EQ(cudaMalloc(&device, kBytes), cudaSuccess);
    EXPECT_EQ(cudaMallocHost(reinterpret_cast<void**>(&host), kBytes), cudaSuccess);
    for (cudaStream_t& stream : streams)
      EXPECT_EQ(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess);
    EXPECT_EQ(cudaEventCreate(&event), cudaSuccess);
    EXPECT_EQ(cudaMemset(device, 0, kBytes), cudaSuccess);
    std::memset(host, 0, kBytes);
    EXPECT_EQ(at_first(), 0);
  }
  ~Runtime() override {
    cudaEventDestroy(event);
    for (cudaStream_t stream : streams) cudaStreamDestroy(stream);
    cudaFreeHost(host);
    cudaFree(device);
  }
  int at_first() {
    unsigned char byte = 0xff;
    EXPECT_EQ(cudaMemcpy(&byte, device, 1, cudaMemcpyDeviceToHost), cudaSuccess);
    return byte;
  }
  void synchronize() {
    for (cudaStream_t stream : streams) EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  }

  void* device = nullptr;
  unsigned char* host = nullptr;
  cudaStream_t streams[2] = {};
  cudaEvent_t event = nullptr;
};

TEST_F(Runtime, StreamsThatDoNotWaitComeInAnyOrder) {
  std::set<int> seen;
  for (int i = 0; i < 32; ++i) {
    cudaMemsetAsync(device, 1, kBytes, streams[0]);
    cudaMemsetAsync(device, 2, kBytes, streams[1]);
    synchronize();
    seen.insert(at_first());
  }
  EXPECT_EQ(seen, (std::set<int>{1, 2}));
  for (int i = 0; i < 32; ++i) {
    cudaMemsetAsync(device, 1, kBytes, streams[0]);
    cudaEventRecord(event, streams[0]);
    cudaStreamWaitEvent(streams[1], event, 0);
    cudaMemsetAsync(device, 2, kBytes, streams[1]);
    synchronize();
    EXPECT_EQ(at_first(), 2);
  }
}

TEST_F(Runtime, NothingIsDoneBeforeSomebodyWaits) {
  host[0] = 1;
  EXPECT_EQ(cudaMemcpyAsync(device, host, kBytes, cudaMemcpyHostToDevice, streams[0]), cudaSuccess);
  host[0] = 2;
  synchronize();
  EXPECT_EQ(at_first(), 2) << "pinned memory is read when the copy is made";
  unsigned char pageable[kBytes] = {3};
  EXPECT_EQ(cudaMemcpyAsync(device, pageable, kBytes, cudaMemcpyHostToDevice, streams[0]), cudaSuccess);
  EXPECT_EQ(at_first(), 3);
}

TEST_F(Runtime, GraphsAreRunAgain) {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  cudaEvent_t begin, end;
  cudaEventCreate(&begin);
  cudaEventCreate(&end);
  ASSERT_EQ(cudaStreamBeginCapture(streams[0], cudaStreamCaptureModeThreadLocal), cudaSuccess);
  EXPECT_EQ(cudaEventRecordWithFlags(begin, streams[0], cudaEventRecordExternal), cudaSuccess);
  cudaMemcpyAsync(device, host, kBytes, cudaMemcpyHostToDevice, streams[0]);
  cudaEventRecord(event, streams[0]);
  cudaStreamWaitEvent(streams[1], event, 0);
  cudaMemsetAsync(static_cast<char*>(device) + 1, 9, 1, streams[1]);
  cudaEventRecord(event, streams[1]);
  cudaStreamWaitEvent(streams[0], event, 0);
  cudaMemcpyAsync(host + 8, static_cast<char*>(device) + 1, 1, cudaMemcpyDeviceToHost, streams[0]);
  EXPECT_EQ(cudaEventRecordWithFlags(end, streams[0], cudaEventRecordExternal), cudaSuccess);
  ASSERT_EQ(cudaStreamEndCapture(streams[0], &graph), cudaSuccess);
  ASSERT_EQ(cudaGraphInstantiate(&executable, graph, 0), cudaSuccess);
  EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
  synchronize();
  EXPECT_EQ(at_first(), 0) << "a capture does nothing";
  for (unsigned char value : {4, 5}) {
    host[0] = value;
    host[8] = 0;
    EXPECT_EQ(cudaGraphLaunch(executable, streams[0]), cudaSuccess);
    EXPECT_EQ(cudaStreamSynchronize(streams[0]), cudaSuccess);
    EXPECT_EQ(at_first(), value);
    EXPECT_EQ(host[8], 9);
    float milliseconds = -1;
    EXPECT_EQ(cudaEventElapsedTime(&milliseconds, begin, end), cudaSuccess);
    EXPECT_GE(milliseconds, 0);
  }
  EXPECT_EQ(cudaGraphExecDestroy(executable), cudaSuccess);
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
}

TEST_F(Runtime, CapturesRefuseWhatCudaRefuses) {
  cudaGraph_t graph = nullptr;
  unsigned char pageable[kBytes];
  ASSERT_EQ(cudaStreamBeginCapture(streams[0], cudaStreamCaptureModeThreadLocal), cudaSuccess);
  EXPECT_EQ(cudaMemcpyAsync(pageable, device, kBytes, cudaMemcpyDeviceToHost, streams[0]),
            cudaErrorStreamCaptureUnsupported);
  void* more = nullptr;
  EXPECT_EQ(cudaMalloc(&more, 1), cudaErrorStreamCaptureUnsupported);
  EXPECT_EQ(cudaStreamSynchronize(streams[0]), cudaErrorStreamCaptureUnsupported);
  EXPECT_EQ(cudaStreamEndCapture(streams[1], &graph), cudaErrorStreamCaptureUnmatched);
  cudaEventRecord(event, streams[0]);
  cudaStreamWaitEvent(streams[1], event, 0);
  cudaMemsetAsync(device, 1, kBytes, streams[1]);
  EXPECT_EQ(cudaStreamEndCapture(streams[0], &graph), cudaErrorStreamCaptureUnjoined);
  // An event from outside.
  cudaEvent_t outside;
  cudaEventCreate(&outside);
  cudaEventRecord(outside, streams[1]);
  ASSERT_EQ(cudaStreamBeginCapture(streams[0], cudaStreamCaptureModeThreadLocal), cudaSuccess);
  EXPECT_EQ(cudaStreamWaitEvent(streams[0], outside, 0), cudaErrorStreamCaptureIsolation);
  ASSERT_EQ(cudaStreamEndCapture(streams[0], &graph), cudaSuccess);
  cudaGraphDestroy(graph);
  cudaEventDestroy(outside);
}

TEST_F(Runtime, MemoryIsWhatWasAllocated) {
  EXPECT_EQ(cudaMemset(static_cast<char*>(device) + 1, 0, kBytes), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemcpyAsync(device, host, kBytes + 1, cudaMemcpyHostToDevice, streams[0]),
            cudaErrorInvalidValue);
  EXPECT_EQ(cudaFree(static_cast<char*>(device) + 1), cudaErrorInvalidValue);
  size_t free = 0, total = 0, later = 0;
  ASSERT_EQ(cudaMemGetInfo(&free, &total), cudaSuccess);
  void* more = nullptr;
  EXPECT_EQ(cudaMalloc(&more, total), cudaErrorMemoryAllocation);
  EXPECT_STREQ(cudaGetErrorString(cudaGetLastError()), "out of memory");
  ASSERT_EQ(cudaMalloc(&more, 5 << 20), cudaSuccess);
  ASSERT_EQ(cudaMemGetInfo(&later, &total), cudaSuccess);
  EXPECT_EQ(free - later, 6u << 20) << "in pages of 2 MiB";
  EXPECT_EQ(cudaFree(more), cudaSuccess);
}

TEST_F(Runtime, WaitsOfTwoEventsAreTimed) {
  float milliseconds = 0;
  cudaEvent_t later;
  cudaEventCreate(&later);
  EXPECT_EQ(cudaEventElapsedTime(&milliseconds, event, later), cudaErrorInvalidResourceHandle);
  cudaEventRecord(event, streams[0]);
  cudaEventRecord(later, streams[0]);
  EXPECT_EQ(cudaEventElapsedTime(&milliseconds, event, later), cudaErrorNotReady);
  synchronize();
  EXPECT_EQ(cudaEventElapsedTime(&milliseconds, event, later), cudaSuccess);
  cudaEventDestroy(later);
  EXPECT_EQ(cudaGetLastError(), cudaErrorNotReady) << "the last one";
  EXPECT_EQ(cudaGetLastError(), cudaSuccess) << "once";
}

}  // namespace
}  // namespace tidemark::emulated
