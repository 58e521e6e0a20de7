#include "executor/cpu/thread_pool.h"

#include <immintrin.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"

namespace tidemark {
namespace {

constexpr int kPauses = 4000;  // some 50 us: longer than the gap between two ops
constexpr int kYields = 20;

/// Spins, then yields, until done() holds; false if it gave up.
template <typename F>
bool spin(F&& done) {
  for (int i = 0; i < kPauses; ++i) {
    if (done()) return true;
    _mm_pause();
  }
  for (int i = 0; i < kYields; ++i) {
    if (done()) return true;
    std::this_thread::yield();
  }
  return done();
}

}  // namespace

struct ThreadPool::Team {
  // The call in progress; written by the caller before `call` is raised.
  Task task = nullptr;
  Member member = nullptr;
  void* context = nullptr;
  int64_t tasks = 0;
  int members = 1;

  alignas(64) std::atomic<int64_t> next{0};
  alignas(64) std::atomic<uint64_t> call{0};  ///< number of the call in progress
  alignas(64) std::atomic<int> running{0};    ///< workers that have not finished it
  alignas(64) std::atomic<int> arrived{0};
  std::atomic<uint64_t> generation{0};  ///< of the barrier
  std::atomic<bool> failed{false};

  std::mutex mutex;
  std::condition_variable wake;
  std::exception_ptr error;
  std::atomic<bool> stop{false};
  std::vector<std::thread> workers;

  void perform(int thread, int threads) {
    try {
      if (member) {
        member(context, thread, threads);
        return;
      }
      if (thread >= members) return;
      while (!failed.load(std::memory_order_relaxed)) {
        const int64_t i = next.fetch_add(1, std::memory_order_relaxed);
        if (i >= tasks) return;
        task(context, i, thread);
      }
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failed.exchange(true)) error = std::current_exception();
    }
  }

  void work(int thread, int threads) {
    uint64_t seen = 0;
    for (;;) {
      const auto called = [&] {
        return call.load(std::memory_order_acquire) != seen || stop.load(std::memory_order_relaxed);
      };
      if (!spin(called)) {
        std::unique_lock lock(mutex);
        wake.wait(lock, called);
      }
      if (stop.load(std::memory_order_relaxed)) return;
      ++seen;
      perform(thread, threads);
      running.fetch_sub(1, std::memory_order_release);
    }
  }

  void start(int threads) {
    failed.store(false, std::memory_order_relaxed);
    next.store(0, std::memory_order_relaxed);
    arrived.store(0, std::memory_order_relaxed);
    running.store(threads - 1, std::memory_order_relaxed);
    {
      const std::lock_guard lock(mutex);
      call.fetch_add(1, std::memory_order_release);
    }
    wake.notify_all();
  }

  void finish() {
    while (!spin([&] { return running.load(std::memory_order_acquire) == 0; })) {
    }
    if (failed.load(std::memory_order_relaxed)) std::rethrow_exception(std::exchange(error, nullptr));
  }
};

ThreadPool::ThreadPool(int threads) : threads_(threads), team_(std::make_unique<Team>()) {
  if (threads < 1) throw InternalError("a thread pool needs at least one thread");
  for (int i = 1; i < threads; ++i)
    team_->workers.emplace_back([team = team_.get(), i, threads] { team->work(i, threads); });
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(team_->mutex);
    team_->stop.store(true);
  }
  team_->wake.notify_all();
  for (std::thread& t : team_->workers) t.join();
}

void ThreadPool::for_each(int64_t tasks, Task task, void* context) {
  if (threads_ == 1 || tasks <= 1) {
    for (int64_t i = 0; i < tasks; ++i) task(context, i, 0);
    return;
  }
  Team& team = *team_;
  team.task = task;
  team.member = nullptr;
  team.context = context;
  team.tasks = tasks;
  team.members = static_cast<int>(std::min<int64_t>(tasks, threads_));
  team.start(threads_);
  team.perform(0, threads_);
  team.finish();
}

void ThreadPool::for_all(Member member, void* context) {
  if (threads_ == 1) {
    member(context, 0, 1);
    return;
  }
  Team& team = *team_;
  team.member = member;
  team.context = context;
  team.start(threads_);
  team.perform(0, threads_);
  team.finish();
}

void ThreadPool::barrier() {
  if (threads_ == 1) return;
  Team& team = *team_;
  const uint64_t generation = team.generation.load(std::memory_order_relaxed);
  if (team.arrived.fetch_add(1, std::memory_order_acq_rel) == threads_ - 1) {
    team.arrived.store(0, std::memory_order_relaxed);
    team.generation.fetch_add(1, std::memory_order_release);
    return;
  }
  const auto passed = [&] {
    return team.generation.load(std::memory_order_acquire) != generation ||
           team.failed.load(std::memory_order_relaxed);
  };
  while (!spin(passed)) {
  }
  if (team.generation.load(std::memory_order_acquire) == generation)
    throw InternalError("a thread of the team failed before a barrier");
}

}  // namespace tidemark
