// The one allocation of a training run.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tidemark {

/// Zeroed pages that exist only once they are touched, so what is resident is what was used.
///
/// More address space is reserved than the plan asks for, and all of it is counted: a buffer outside
/// the plan would show in resident_bytes() instead of hiding in the neighbour's memory.
class Arena {
 public:
  /// Throws Error (exit status 3) where the machine cannot give `bytes`.
  explicit Arena(int64_t bytes);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  std::byte* data() const { return base_; }
  int64_t bytes() const { return bytes_; }

  /// Bytes of the reservation, planned or not, that have physical pages (mincore(2)).
  int64_t resident_bytes() const;

 private:
  std::byte* base_ = nullptr;
  int64_t bytes_ = 0;
  int64_t reserved_ = 0;
};

/// Physical memory of this process (resident set), and of this machine, in bytes.
int64_t process_resident_bytes();
int64_t machine_memory_bytes();

}  // namespace tidemark
