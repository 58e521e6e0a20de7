#include "profiler/cupti/mapped_memory.h"

#include <utility>

namespace tidemark {

namespace {

/// From where on those lie that have no address any more, of which another one took it. No address of CUDA's
/// is as high.
constexpr uint64_t kAside = uint64_t{1} << 62;

}  // namespace

MappedMemory::MappedMemory(Sink sink) : sink_(std::move(sink)), next_aside_(kAside) {}

void MappedMemory::tell(CudaEvent::Kind kind, const Piece& piece, int64_t time_ns) {
  CudaEvent e = piece.made;
  e.kind = kind;
  e.address = piece.place;
  e.start_ns = e.end_ns = time_ns;
  sink_(e);
}

void MappedMemory::move(Piece& piece, uint64_t place, int64_t time_ns) {
  tell(CudaEvent::release, piece, time_ns);
  at_[place] = at_.extract(piece.place).mapped();
  piece.place = place;
  tell(CudaEvent::allocate, piece, time_ns);
}

void MappedMemory::create(uint64_t handle, const CudaEvent& made) {
  piece_of_[handle] = ++made_;
  pieces_[made_] = {.made = made, .handles = 1};
}

void MappedMemory::retain(uint64_t address, uint64_t handle) {
  auto at = mappings_.upper_bound(address);
  if (at == mappings_.begin() || (--at)->second.end <= address) return;
  piece_of_[handle] = at->second.piece;
  ++pieces_[at->second.piece].handles;
}

void MappedMemory::release(uint64_t handle, int64_t time_ns) {
  const auto it = piece_of_.find(handle);
  if (it == piece_of_.end()) return;
  const uint64_t number = it->second;
  if (--pieces_[number].handles == 0) piece_of_.erase(it);
  drop_if_unused(number, time_ns);
}

void MappedMemory::map(uint64_t address, int64_t bytes, uint64_t handle, int64_t time_ns) {
  const auto it = piece_of_.find(handle);
  if (it == piece_of_.end()) return;
  Piece& piece = pieces_[it->second];
  mappings_[address] = {address + static_cast<uint64_t>(bytes), it->second};
  const bool was_mapped = piece.mappings++ > 0;
  if (was_mapped || piece.place == address) return;
  if (const auto other = at_.find(address); other != at_.end()) {
    // That is mapped here no more, but has a handle or another mapping still.
    Piece& before = pieces_[other->second];
    move(before, next_aside_, time_ns);
    next_aside_ += static_cast<uint64_t>(before.made.bytes);
  }
  if (piece.place != 0) {
    move(piece, address, time_ns);
    return;
  }
  piece.place = address;
  at_[address] = it->second;
  tell(CudaEvent::allocate, piece, piece.made.start_ns);
}

void MappedMemory::unmap(uint64_t address, int64_t bytes, int64_t time_ns) {
  const uint64_t end = address + static_cast<uint64_t>(bytes);
  for (auto it = mappings_.lower_bound(address); it != mappings_.end() && it->first < end;) {
    const uint64_t number = it->second.piece;
    it = mappings_.erase(it);
    --pieces_[number].mappings;
    drop_if_unused(number, time_ns);
  }
}

void MappedMemory::drop_if_unused(uint64_t number, int64_t time_ns) {
  const auto it = pieces_.find(number);
  if (it == pieces_.end() || it->second.handles > 0 || it->second.mappings > 0) return;
  if (it->second.place != 0) {
    tell(CudaEvent::release, it->second, time_ns);
    at_.erase(it->second.place);
  }
  pieces_.erase(it);
}

}  // namespace tidemark
