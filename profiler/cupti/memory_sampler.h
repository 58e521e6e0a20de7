// How many bytes of each device's memory are in use, as the driver says it, in the course of a program.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace tidemark {

/// Asks every 50 ms from a thread of its own, for devices that the program has a context on; before the first
/// answer every 5 ms, so that it is of a context without allocations.
class MemorySampler {
 public:
  /// Told of the first answer, and of changes: what was in use to the last moment, and what is.
  using Sink = std::function<void(uint32_t device, int64_t time_ns, int64_t used_bytes)>;

  /// Does nothing where there is no driver.
  void start(Sink sink);
  /// Asks a last time.
  void stop();

 private:
  struct Driver;
  struct Sample {
    bool known = false;
    int64_t told_ns = 0, time_ns = 0, bytes = 0;
  };
  void sample(const Driver& driver);
  void run(const Driver& driver);

  Sink sink_;
  std::vector<Sample> last_;  ///< by device
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stops_ = false;
  std::thread thread_;
};

}  // namespace tidemark
