#include "executor/runtime/arena.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "base/divided.h"
#include "base/error.h"
#include "base/units.h"

namespace tidemark {
namespace {

int64_t page_bytes() {
  return sysconf(_SC_PAGESIZE);
}

int64_t in_pages(int64_t bytes) {
  return divided(bytes, page_bytes()) * page_bytes();
}

}  // namespace

Arena::Arena(int64_t bytes) : bytes_(bytes) {
  if (bytes > machine_memory_bytes())
    throw Error("cannot allocate the arena", format_bytes(bytes),
                "this machine has " + format_bytes(machine_memory_bytes()),
                "plan with a --budget below that, a smaller batch, or on a larger machine",
                ExitCode::failure);
  reserved_ = in_pages(bytes + std::max<int64_t>(bytes / 4, 1 << 20));
  void* mapping = mmap(nullptr, static_cast<size_t>(reserved_), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED)
    throw Error("cannot allocate the arena", format_bytes(bytes), std::strerror(errno),
                "free memory or plan with a smaller --budget", ExitCode::failure);
  base_ = static_cast<std::byte*>(mapping);
  // Huge pages would make untouched neighbours resident, and the measurement coarser than the plan.
  madvise(mapping, static_cast<size_t>(reserved_), MADV_NOHUGEPAGE);
}

Arena::~Arena() {
  munmap(base_, static_cast<size_t>(reserved_));
}

int64_t Arena::resident_bytes() const {
  std::array<unsigned char, 4096> residency;
  const int64_t window = page_bytes() * static_cast<int64_t>(residency.size());
  int64_t pages = 0;
  for (int64_t begin = 0; begin < reserved_; begin += window) {
    const int64_t length = std::min(window, reserved_ - begin);
    if (mincore(base_ + begin, static_cast<size_t>(length), residency.data()) != 0)
      throw InternalError(std::string("mincore: ") + std::strerror(errno));
    for (int64_t i = 0; i < divided(length, page_bytes()); ++i)
      pages += residency[static_cast<size_t>(i)] & 1;
  }
  return pages * page_bytes();
}

int64_t process_resident_bytes() {
  long size = 0, resident = 0;
  if (std::FILE* file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%ld %ld", &size, &resident) != 2) resident = 0;
    std::fclose(file);
  }
  return static_cast<int64_t>(resident) * page_bytes();
}

int64_t machine_memory_bytes() {
  return static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * page_bytes();
}

}  // namespace tidemark
