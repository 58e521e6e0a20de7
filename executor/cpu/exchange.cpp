#include "executor/cpu/exchange.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <optional>
#include <thread>

#include "base/clock.h"

namespace tidemark::cpu {
namespace {

constexpr int kBatches = 20;  // the least counts: others may run on these processors
constexpr int kTurns = 200;   // of each of the two in a batch

std::vector<int> usable_processors() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return {};  // more than a cpu_set_t holds
  std::vector<int> processors;
  for (int i = 0; i < CPU_SETSIZE; ++i)
    if (CPU_ISSET(i, &set)) processors.push_back(i);
  return processors;
}

bool bind_to(int processor) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processor, &set);
  return sched_setaffinity(0, sizeof set, &set) == 0;  // of the calling thread
}

/// Two threads that take turns in writing the same line.
class Exchange {
 public:
  /// Seconds from one to the other; none where a thread cannot be bound to its processor.
  std::optional<double> between(int first, int second) {
    std::thread a([&] { play(first, 0); }), b([&] { play(second, 1); });
    a.join();
    b.join();
    if (!bound_) return {};
    return best_;
  }

 private:
  void play(int processor, int me) {
    if (!bind_to(processor)) bound_ = false;
    for (int batch = 0; batch < kBatches; ++batch) {
      const int64_t begin = now_ns();
      for (int turn = 0; turn < kTurns; ++turn) {
        const int mine = 2 * (batch * kTurns + turn) + me;
        while (turns_.load(std::memory_order_acquire) != mine) {
        }
        turns_.store(mine + 1, std::memory_order_release);
      }
      if (me == 0) best_ = std::min(best_, 1e-9 * static_cast<double>(now_ns() - begin) / (2 * kTurns));
    }
  }

  alignas(64) std::atomic<int> turns_{0};
  alignas(64) std::atomic<bool> bound_{true};
  double best_ = INFINITY;  ///< of the first thread
};

}  // namespace

std::vector<double> exchange_seconds() {
  const std::vector<int> processors = usable_processors();
  std::vector<double> seconds;
  for (size_t i = 1; i < processors.size(); ++i) {
    const std::optional<double> one = Exchange().between(processors[0], processors[i]);
    if (!one) return {};
    seconds.push_back(*one);
  }
  return seconds;
}

}  // namespace tidemark::cpu
