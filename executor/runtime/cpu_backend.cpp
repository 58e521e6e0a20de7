#include "executor/runtime/cpu_backend.h"

#include <cstring>

#include "base/error.h"

namespace tidemark {
namespace {

constexpr int64_t kPageBytes = 4096;  // the smallest there is

int checked_threads(const Plan& plan, const RuntimeOptions& options) {
  const int threads = options.threads > 0 ? options.threads : plan.device.threads;
  if (threads > plan.device.threads)
    throw Error("cannot run the plan", "threads",
                "it was made for " + std::to_string(plan.device.threads) + ", not " + std::to_string(threads),
                "plan again with --threads " + std::to_string(threads));
  return threads;
}

/// What an op was given counts as used. Which thread picks which task, and so how much of the scratch is
/// written, is chance.
void touch_workspace(const KernelArgs& args) {
  auto* const bytes = static_cast<volatile char*>(args.workspace);
  for (int64_t i = 0; i < args.workspace_bytes; i += kPageBytes) bytes[i] = 0;
  if (args.workspace_bytes > 0) bytes[args.workspace_bytes - 1] = 0;
}

}  // namespace

CpuBackend::CpuBackend(const Graph& graph, const Plan& plan, const RuntimeOptions& options)
    : plan_(plan),
      arena_(plan.arena_bytes),
      host_(plan.host_bytes),
      guard_(options.guard, plan, arena_),
      pool_(checked_threads(plan, options)),
      args_(bind_steps(graph, plan, arena_.data())),
      ran_(args_.size(), false),
      points_(transfer_points(plan.schedule)),
      late_copies_(options.late_copies) {
  for (KernelArgs& args : args_) {
    args.pool = &pool_;
    kernels_.push_back(find_cpu_kernel(args.op.op().def->name));
  }
}

void CpuBackend::run(int32_t begin, int32_t end, std::vector<TimeSpan>& times) {
  for (int32_t s = begin; s < end; ++s) {
    const auto i = static_cast<size_t>(s);
    guard_.before(s);
    const TransferPoint& point = points_[i];
    copy(late_copies_ ? point.fetched : point.fetch);
    guard_.admit(s);
    if (!ran_[i]) touch_workspace(args_[i]);
    ran_[i] = true;
    times[i].start_ns = now_ns();
    kernels_[i](args_[i]);
    times[i].end_ns = now_ns();
    const TransferPoint& behind = points_[i + 1];
    copy(late_copies_ ? behind.sent : behind.send);
    guard_.after(s);
  }
  guard_.open();
}

void CpuBackend::copy(const std::vector<int32_t>& transfers) {
  for (int32_t t : transfers) {
    const Transfer& transfer = plan_.schedule.transfers[static_cast<size_t>(t)];
    const Buffer& buffer = plan_.schedule.buffers[static_cast<size_t>(transfer.buffer)];
    void* const there = host(transfer.buffer);
    void* const away = offloaded(transfer.host);
    guard_.admit_buffer(transfer.buffer);
    if (transfer.to_host)
      std::memcpy(away, there, static_cast<size_t>(buffer.bytes));
    else
      std::memcpy(there, away, static_cast<size_t>(buffer.bytes));
  }
}

void* CpuBackend::offloaded(int32_t host_buffer) {
  return host_.data() + plan_.host_offsets[static_cast<size_t>(host_buffer)];
}

void* CpuBackend::host(int32_t buffer) {
  return arena_.data() + plan_.offsets[static_cast<size_t>(buffer)];
}

}  // namespace tidemark
