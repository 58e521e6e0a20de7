#include "tests/gpu/emulated/device_memory.h"

#include <sys/mman.h>

#include <cstdlib>

namespace tidemark::emulated {
namespace {

constexpr size_t kTotal = size_t{16} << 30, kPage = 2 << 20, kHostPage = 4096, kAlignment = 512;

size_t up(size_t bytes, size_t to) {
  return (bytes + to - 1) / to * to;
}

}  // namespace

DeviceMemory::~DeviceMemory() {
  for (const auto& [begin, allocation] : allocations_) munmap(allocation.mapping, allocation.mapped);
}

size_t DeviceMemory::total_bytes() const {
  return kTotal;
}

size_t DeviceMemory::paged_bytes(const Allocation& a, uint64_t begin) const {
  return a.kind == Kind::pinned ? 0 : up(a.end - begin, kPage);
}

size_t DeviceMemory::free_bytes() const {
  size_t used = 0;
  for (const auto& [begin, allocation] : allocations_) used += paged_bytes(allocation, begin);
  return used < kTotal ? kTotal - used : 0;
}

// A page that nobody may touch lies before and behind, so what reaches outside from the host is seen, too.
void* DeviceMemory::allocate(size_t bytes, Kind kind) {
  if (bytes == 0 || (kind != Kind::pinned && up(bytes, kPage) > free_bytes())) return nullptr;
  const size_t inside = up(bytes, kHostPage), mapped = inside + 2 * kHostPage;
  void* const mapping = mmap(nullptr, mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) return nullptr;
  std::byte* const usable = static_cast<std::byte*>(mapping) + kHostPage;
  mprotect(usable, inside, PROT_READ | PROT_WRITE);
  // At the end of the mapping, as far as the alignment allows.
  std::byte* const memory = usable + (inside - up(bytes, kAlignment));
  const auto begin = reinterpret_cast<uint64_t>(memory);
  allocations_[begin] = {begin + bytes, kind, mapping, mapped};
  return memory;
}

bool DeviceMemory::release(void* memory) {
  const auto found = allocations_.find(reinterpret_cast<uint64_t>(memory));
  if (found == allocations_.end()) return false;
  munmap(found->second.mapping, found->second.mapped);
  allocations_.erase(found);
  last_begin_ = 1, last_end_ = 0;
  return true;
}

bool DeviceMemory::find(uint64_t address, uint64_t bytes) const {
  auto after = allocations_.upper_bound(address);
  if (after == allocations_.begin()) return false;
  --after;
  if (address + bytes > after->second.end) return false;
  last_begin_ = after->first;
  last_end_ = after->second.end;
  return true;
}

bool DeviceMemory::is_pinned(const void* address) const {
  auto after = allocations_.upper_bound(reinterpret_cast<uint64_t>(address));
  if (after == allocations_.begin()) return false;
  --after;
  return reinterpret_cast<uint64_t>(address) < after->second.end && after->second.kind != Kind::device;
}

}  // namespace tidemark::emulated
