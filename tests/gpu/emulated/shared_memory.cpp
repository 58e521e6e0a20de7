#include "tests/gpu/emulated/shared_memory.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "tests/gpu/emulated/fault.h"
#include "tests/gpu/emulated/ptx.h"

namespace tidemark::emulated {
namespace {

/// Of another thread, with nothing between the two that orders them.
bool unordered(const Toucher& before, const Toucher& now) {
  return before.thread != now.thread && before.phase == now.phase &&
         (before.thread / kLanes != now.thread / kLanes || before.step == now.step);
}

[[noreturn]] void race(const std::string& what, uint64_t at) {
  throw Fault(FaultKind::race,
              what + " of shared memory at byte " + std::to_string(at) + ", no barrier in between");
}

std::string threads(const Toucher& a, const Toucher& b) {
  return ", by threads " + std::to_string(a.thread) + " and " + std::to_string(b.thread) + ",";
}

}  // namespace

void SharedMemory::reset(size_t bytes) {
  bytes_.assign(bytes, std::byte{0xff});
  cells_.resize(std::max(cells_.size(), (bytes + kCell - 1) / kCell));
}

void SharedMemory::outside(uint64_t at, size_t bytes) const {
  throw Fault(FaultKind::illegal_address, std::to_string(bytes) + " bytes at " + std::to_string(at) +
                                              " of shared memory, which has " +
                                              std::to_string(bytes_.size()));
}

void SharedMemory::check_read(size_t cell, const Toucher& who) const {
  const Cell& c = cells_[cell];
  if (c.copying) race("a read before a copy has ended" + threads(c.written, who), cell * kCell);
  if (unordered(c.written, who)) race("a write and a read" + threads(c.written, who), cell * kCell);
}

void SharedMemory::add_reader(Toucher& last, const Toucher& who) {
  if (last.thread / kLanes == who.thread / kLanes)
    last = who;
  else
    last.thread = kMany;
}

void SharedMemory::mark_written(uint64_t at, const void* from, size_t bytes, const Toucher& who) {
  if (at + bytes > bytes_.size() || at + bytes < at) outside(at, bytes);
  // Threads that write the same value do not race for it.
  const auto same = [&] { return from && std::memcmp(bytes_.data() + at, from, bytes) == 0; };
  for (size_t c = at / kCell; c <= (at + bytes - 1) / kCell; ++c) {
    Cell& cell = cells_[c];
    if (unordered(cell.written, who) && !same()) race("two writes" + threads(cell.written, who), c * kCell);
    if (unordered(cell.read, who) && !same()) race("a read and a write", c * kCell);
    cell.written = who;
  }
}

void SharedMemory::write(uint64_t at, const void* from, size_t bytes, const Toucher& who) {
  mark_written(at, from, bytes, who);
  std::memcpy(bytes_.data() + at, from, bytes);
}

void SharedMemory::begin_copy(uint64_t at, size_t bytes, const Toucher& who) {
  mark_written(at, nullptr, bytes, who);
  for (size_t c = at / kCell; c <= (at + bytes - 1) / kCell; ++c) cells_[c].copying = true;
}

void SharedMemory::land(uint64_t at, const void* from, size_t bytes, const Toucher& who) {
  for (size_t c = at / kCell; c <= (at + bytes - 1) / kCell; ++c) cells_[c].copying = false;
  write(at, from, bytes, who);
}

}  // namespace tidemark::emulated
