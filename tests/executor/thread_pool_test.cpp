#include "executor/cpu/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

#include "base/error.h"

namespace tidemark {
namespace {

class ThreadPoolTest : public ::testing::TestWithParam<int> {
 protected:
  ThreadPool pool{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Threads, ThreadPoolTest, ::testing::Values(1, 2, 3, 8));

TEST_P(ThreadPoolTest, RunsEachTaskOnceOnAThreadOfItsOwnScratch) {
  for (int64_t tasks : {0, 1, 2, 5, 1000})
    for (int round = 0; round < 20; ++round) {
      std::vector<std::atomic<int>> runs(static_cast<size_t>(tasks));
      std::vector<std::atomic<int>> inside(static_cast<size_t>(pool.threads()));
      pool.parallel_for(tasks, [&](int64_t task, int thread) {
        EXPECT_LT(thread, pool.threads());
        EXPECT_LT(thread, tasks);
        EXPECT_EQ(inside[static_cast<size_t>(thread)].fetch_add(1), 0)
            << "two tasks share a thread's scratch";
        runs[static_cast<size_t>(task)].fetch_add(1);
        inside[static_cast<size_t>(thread)].fetch_sub(1);
      });
      for (const auto& n : runs) EXPECT_EQ(n.load(), 1);
    }
}

TEST_P(ThreadPoolTest, WhatTasksWroteIsVisibleToTheCaller) {
  std::vector<int64_t> squares(10000);
  pool.parallel_for(10000, [&](int64_t i, int) { squares[static_cast<size_t>(i)] = i * i; });
  for (int64_t i = 0; i < 10000; ++i) ASSERT_EQ(squares[static_cast<size_t>(i)], i * i);
}

TEST_P(ThreadPoolTest, ATasksExceptionReachesTheCallerAndThePoolGoesOn) {
  for (int round = 0; round < 20; ++round) {
    std::atomic<int64_t> started{0};
    std::atomic<bool> failed{false};
    const auto failing = [&](int64_t task, int) {
      started.fetch_add(1);
      if (task == 3) {
        failed = true;
        throw std::runtime_error("task 3");
      }
      // However long task 3's thread may be kept waiting, the others do not run through all tasks meanwhile.
      while (task > 3 && !failed) std::this_thread::yield();
      if (task > 3) std::this_thread::sleep_for(std::chrono::microseconds(100));
    };
    EXPECT_THROW(pool.parallel_for(100000, failing), std::runtime_error);
    EXPECT_LT(started.load(), 100000) << "the other tasks were still begun";
    std::atomic<int64_t> done{0};
    pool.parallel_for(10, [&](int64_t, int) { done.fetch_add(1); });
    EXPECT_EQ(done.load(), 10);
  }
}

TEST_P(ThreadPoolTest, RunStartsEveryThreadAtOnce) {
  std::vector<std::atomic<int>> seen(static_cast<size_t>(pool.threads()));
  pool.run([&](int thread, int threads) {
    EXPECT_EQ(threads, pool.threads());
    seen[static_cast<size_t>(thread)].fetch_add(1);
  });
  for (const auto& n : seen) EXPECT_EQ(n.load(), 1);
}

// Each phase reads what all threads wrote in the phase before.
TEST_P(ThreadPoolTest, BarrierSeparatesPhases) {
  constexpr int kPhases = 300;
  std::vector<int> written(static_cast<size_t>(pool.threads()), 0);
  std::atomic<int> wrong{0};
  pool.run([&](int thread, int threads) {
    for (int phase = 1; phase <= kPhases; ++phase) {
      written[static_cast<size_t>(thread)] = phase;
      pool.barrier();
      for (int t = 0; t < threads; ++t) wrong += written[static_cast<size_t>(t)] != phase;
      pool.barrier();
    }
  });
  EXPECT_EQ(wrong.load(), 0);
}

TEST_P(ThreadPoolTest, AThreadThatFailsDoesNotLeaveTheOthersAtTheBarrier) {
  for (int round = 0; round < 20; ++round) {
    const auto failing = [&](int thread, int threads) {
      if (thread == threads - 1) throw std::runtime_error("last thread");
      pool.barrier();
      ADD_FAILURE() << "passed a barrier that one thread never reached";
    };
    EXPECT_THROW(pool.run(failing), std::exception);
    std::atomic<int> passed{0};
    pool.run([&](int, int) {
      pool.barrier();
      passed.fetch_add(1);
    });
    EXPECT_EQ(passed.load(), pool.threads()) << "the barrier was left in disorder";
  }
}

TEST(ThreadPoolTest, SleepingThreadsWake) {
  ThreadPool pool(3);
  for (int round = 0; round < 3; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // longer than workers spin
    std::atomic<int> done{0};
    pool.run([&](int, int) { done.fetch_add(1); });
    EXPECT_EQ(done.load(), 3);
  }
}

TEST(ThreadPoolTest, NeedsAThread) {
  EXPECT_THROW(ThreadPool(0), InternalError);
}

}  // namespace
}  // namespace tidemark
