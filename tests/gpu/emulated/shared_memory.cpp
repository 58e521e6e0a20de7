#include "tests/gpu/emulated/shared_memory.h"

#include <cstring>
#include <string>

#include "tests/gpu/emulated/fault.h"
#include "tests/gpu/emulated/ptx.h"

namespace tidemark::emulated {
namespace {

constexpr size_t kCell = 2;

bool same_warp(uint16_t a, uint16_t b) {
  return a / kLanes == b / kLanes;
}

[[noreturn]] void race(const char* what, uint64_t at, uint16_t first, uint16_t second) {
  throw Fault(FaultKind::race, std::string(what) + " of shared memory at byte " + std::to_string(at) +
                                   ": threads " + std::to_string(first) + " and " + std::to_string(second) +
                                   ", no barrier in between");
}

}  // namespace

void SharedMemory::reset(size_t bytes) {
  bytes_.assign(bytes, std::byte{0xff});
  cells_.assign((bytes + kCell - 1) / kCell, Cell{});
}

void SharedMemory::outside(uint64_t at, size_t bytes) const {
  throw Fault(FaultKind::illegal_address, std::to_string(bytes) + " bytes at " + std::to_string(at) +
                                              " of shared memory, which has " +
                                              std::to_string(bytes_.size()));
}

const std::byte* SharedMemory::read(uint64_t at, size_t bytes, const Toucher& who) {
  if (at + bytes > bytes_.size() || at + bytes < at) outside(at, bytes);
  for (size_t c = at / kCell; c <= (at + bytes - 1) / kCell; ++c) {
    Cell& cell = cells_[c];
    if (cell.copying) race("a read before the copy has ended", c * kCell, cell.writer, who.thread);
    if (cell.writer != who.thread && cell.writer != kNobody && cell.written_phase == who.phase &&
        (!same_warp(cell.writer, who.thread) || cell.written_step == who.step))
      race("a read after a write", c * kCell, cell.writer, who.thread);
    if (cell.reader == kNobody || cell.read_phase != who.phase)
      cell.reader = who.thread;
    else if (cell.reader != who.thread && (cell.reader == kMany || !same_warp(cell.reader, who.thread)))
      cell.reader = kMany;
    else
      cell.reader = who.thread;
    cell.read_phase = who.phase;
    cell.read_step = who.step;
  }
  return bytes_.data() + at;
}

void SharedMemory::mark_written(uint64_t at, const void* from, size_t bytes, const Toucher& who) {
  if (at + bytes > bytes_.size() || at + bytes < at) outside(at, bytes);
  // Threads that write the same value do not race for it.
  const auto same = [&] { return from && std::memcmp(bytes_.data() + at, from, bytes) == 0; };
  for (size_t c = at / kCell; c <= (at + bytes - 1) / kCell; ++c) {
    Cell& cell = cells_[c];
    if (cell.writer != who.thread && cell.writer != kNobody && cell.written_phase == who.phase &&
        (!same_warp(cell.writer, who.thread) || cell.written_step == who.step) && !same())
      race("two writes", c * kCell, cell.writer, who.thread);
    if (cell.reader != who.thread && cell.reader != kNobody && cell.read_phase == who.phase &&
        (cell.reader == kMany || !same_warp(cell.reader, who.thread) || cell.read_step == who.step) &&
        !same())
      race("a write after a read", c * kCell, cell.reader == kMany ? kNobody : cell.reader, who.thread);
    cell.writer = who.thread;
    cell.written_phase = who.phase;
    cell.written_step = who.step;
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
