// A fixed team of threads; nothing is allocated per call.
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>

namespace tidemark {

/// The calling thread is thread 0 of the team. One caller at a time, and no calls from within a task.
/// An exception in a task ends the call and is thrown to the caller.
class ThreadPool {
 public:
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return threads_; }

  /// fn(task, thread) for each task in [0, tasks), each picked by the next free thread; thread is less
  /// than both threads() and tasks, so that scratch memory can be per thread.
  template <typename F>
  void parallel_for(int64_t tasks, F&& fn) {
    using Fn = std::remove_reference_t<F>;
    for_each(
        tasks, [](void* f, int64_t task, int thread) { (*static_cast<Fn*>(f))(task, thread); },
        const_cast<void*>(static_cast<const void*>(&fn)));
  }

  /// fn(thread, threads) once on every thread, all at the same time: they may call barrier().
  template <typename F>
  void run(F&& fn) {
    using Fn = std::remove_reference_t<F>;
    for_all([](void* f, int thread, int threads) { (*static_cast<Fn*>(f))(thread, threads); },
            const_cast<void*>(static_cast<const void*>(&fn)));
  }

  /// Only inside run: returns when every thread of the team has arrived, and what they wrote before is
  /// visible. Throws InternalError where a thread left by an exception and so never will.
  void barrier();

 private:
  using Task = void (*)(void*, int64_t, int);
  using Member = void (*)(void*, int, int);
  void for_each(int64_t tasks, Task task, void* context);
  void for_all(Member member, void* context);

  struct Team;
  int threads_;
  std::unique_ptr<Team> team_;
};

}  // namespace tidemark
