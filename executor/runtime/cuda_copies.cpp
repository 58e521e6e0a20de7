#include "executor/runtime/cuda_copies.h"

#include <cstring>

namespace tidemark {

using device::check_cuda;

CudaCopies::CudaCopies(const Plan& plan, std::byte* arena, cudaStream_t steps)
    : plan_(plan), arena_(arena), steps_(steps), points_(transfer_points(plan.schedule)) {
  if (plan.schedule.transfers.empty()) return;
  memory_ = PinnedMemory(static_cast<size_t>(plan.host_bytes));
  std::memset(memory_.data(), 0, static_cast<size_t>(plan.host_bytes));  // states begin as zeros
  for (cudaStream_t& stream : streams_)
    check_cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "create a stream");
  check_cuda(cudaEventCreateWithFlags(&begin_, cudaEventDisableTiming), "create an event");
  done_.resize(plan.schedule.transfers.size());
  for (cudaEvent_t& event : done_)
    check_cuda(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "create an event");
}

CudaCopies::~CudaCopies() {
  for (cudaStream_t stream : streams_) {
    if (!stream) continue;
    cudaStreamSynchronize(stream);
    cudaStreamDestroy(stream);
  }
  for (cudaEvent_t event : done_) cudaEventDestroy(event);
  if (begin_) cudaEventDestroy(begin_);
}

void CudaCopies::before(int32_t step) {
  const TransferPoint& point = points_[static_cast<size_t>(step)];
  start(point.fetch);
  wait_for(point.fetched);
}

void CudaCopies::behind(int32_t step) {
  const TransferPoint& point = points_[static_cast<size_t>(step) + 1];
  start(point.send);
  wait_for(point.sent);
}

void CudaCopies::join() {
  while (!running_.empty()) wait_for({*running_.begin()});
}

void CudaCopies::start(const std::vector<int32_t>& transfers) {
  if (transfers.empty()) return;
  check_cuda(cudaEventRecord(begin_, steps_), "record an event");
  for (int32_t t : transfers) {
    const Transfer& transfer = plan_.schedule.transfers[static_cast<size_t>(t)];
    const auto b = static_cast<size_t>(transfer.buffer);
    const auto bytes = static_cast<size_t>(plan_.schedule.buffers[b].bytes);
    void* const there = arena_ + plan_.offsets[b];
    void* const away = host(transfer.host);
    const cudaStream_t stream = streams_[transfer.to_host ? 1 : 0];
    check_cuda(cudaStreamWaitEvent(stream, begin_), "wait for an event");
    check_cuda(transfer.to_host ? cudaMemcpyAsync(away, there, bytes, cudaMemcpyDeviceToHost, stream)
                                : cudaMemcpyAsync(there, away, bytes, cudaMemcpyHostToDevice, stream),
               "copy what is offloaded");
    check_cuda(cudaEventRecord(done_[static_cast<size_t>(t)], stream), "record an event");
    running_.insert(t);
  }
}

void CudaCopies::wait_for(const std::vector<int32_t>& transfers) {
  for (int32_t t : transfers)
    if (running_.erase(t) > 0)
      check_cuda(cudaStreamWaitEvent(steps_, done_[static_cast<size_t>(t)]), "wait for an event");
}

}  // namespace tidemark
