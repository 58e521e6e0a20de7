#include "tests/gpu/emulated/warp.h"

#include <algorithm>
#include <string>

namespace tidemark::emulated {
namespace {

constexpr size_t kAlignment = 64;

std::byte* aligned(std::vector<std::byte>& memory) {
  const auto at = reinterpret_cast<uintptr_t>(memory.data());
  return memory.data() + (kAlignment - at % kAlignment) % kAlignment;
}

uint32_t lanes_below(uint64_t n) {
  return n >= kLanes ? ~0u : (1u << n) - 1;
}

}  // namespace

// Nothing writes to constants: where the function is the one of the block before, they are there.
void Warp::prepare(const Function& f, std::vector<std::byte>& memory) {
  if (prepared_ != &f) {
    memory.assign(static_cast<size_t>(f.register_bytes) + kAlignment, std::byte{0xff});
    registers_ = aligned(memory);
    for (const Function::Constant& c : f.constants)
      for (int lane = 0; lane < kLanes; ++lane)
        std::memcpy(registers_ + c.at + c.bytes * lane, &c.value, c.bytes);
    prepared_ = &f;
  }
  for (const auto& [special, at] : f.special)
    for (int lane = 0; lane < kLanes; ++lane)
      lanes<uint32_t>(at)[lane] = value_of(special, static_cast<uint32_t>(lane));
}

uint32_t Warp::value_of(Special special, uint32_t lane) const {
  const uint32_t thread = static_cast<uint32_t>(first_thread_) + lane;
  switch (special) {
    case Special::tid_x: return thread % size_.x;
    case Special::tid_y: return thread / size_.x % size_.y;
    case Special::tid_z: return thread / size_.x / size_.y;
    case Special::ntid_x: return size_.x;
    case Special::ntid_y: return size_.y;
    case Special::ntid_z: return size_.z;
    case Special::ctaid_x: return place_.x;
    case Special::ctaid_y: return place_.y;
    case Special::ctaid_z: return place_.z;
    case Special::nctaid_x: return grid_.x;
    case Special::nctaid_y: return grid_.y;
    case Special::nctaid_z: return grid_.z;
    case Special::laneid: return lane;
  }
  return 0;
}

void Warp::begin(const Function& f, BlockState& its_block, int index, Dim size, Dim at, Dim grid) {
  function = &f;
  block = &its_block;
  first_thread_ = index * kLanes;
  size_ = size, place_ = at, grid_ = grid;
  prepare(f, register_memory_);
  local_bytes_ = f.local_bytes;
  local_memory_.assign(static_cast<size_t>(local_bytes_) * kLanes, std::byte{0xff});
  locals_ = local_memory_.data();
  frame_bytes_ = f.frame_bytes;
  frame_memory_.assign(static_cast<size_t>(frame_bytes_) * kLanes, std::byte{0xff});
  frames_ = frame_memory_.data();
  code_ = &f.code;
  at_ = 0;
  phase_ = block->phase;
  step_ = 0;
  carry = 0;
  waiting_ = false;
  parked_.clear();
  copies.clear();
  alive_ = active_ = lanes_below(size.count() - static_cast<uint64_t>(first_thread_));
}

std::byte* Warp::local(int lane, uint64_t at, size_t bytes) {
  if (at + bytes > static_cast<uint64_t>(local_bytes_) || at + bytes < at)
    throw Fault(FaultKind::illegal_address, "local memory at " + std::to_string(at));
  return locals_ + lane * local_bytes_ + at;
}

std::byte* Warp::frame(int lane, uint64_t at, size_t bytes) {
  if (at + bytes > static_cast<uint64_t>(frame_bytes_) || at + bytes < at)
    throw Fault(FaultKind::illegal_address, "a parameter at " + std::to_string(at));
  return frames_ + lane * frame_bytes_ + at;
}

void Warp::run() {
  waiting_ = false;
  while (alive_ != 0 && !waiting_) {
    if (!parked_.empty()) meet();
    const Instruction& i = (*code_)[static_cast<size_t>(at_)];
    mask = active_;
    if (i.guard != kNoGuard) {
      const uint32_t p = predicate(i.guard);
      mask &= i.guard_negated ? ~p : p;
    }
    const int32_t here = at_++;
    if (block->traffic) ++block->traffic->instructions;
    if (mask == 0) continue;
    try {
      i.handler(*this, i);
    } catch (const Fault&) {
      at_ = here;
      throw;
    }
  }
}

void Warp::park(int32_t at, uint32_t lanes) {
  const auto same = std::find_if(parked_.begin(), parked_.end(), [&](const Parked& p) { return p.at == at; });
  if (same != parked_.end()) {
    same->lanes |= lanes;
    return;
  }
  const auto before =
      std::find_if(parked_.begin(), parked_.end(), [&](const Parked& p) { return p.at < at; });
  parked_.insert(before, {at, lanes});
}

void Warp::meet() {
  if (active_ == 0) {
    at_ = parked_.back().at;
    active_ = parked_.back().lanes;
    parked_.pop_back();
  } else if (parked_.back().at < at_) {
    const Parked next = parked_.back();
    parked_.pop_back();
    park(at_, active_);
    at_ = next.at;
    active_ = next.lanes;
  }
  while (!parked_.empty() && parked_.back().at == at_) {
    active_ |= parked_.back().lanes;
    parked_.pop_back();
  }
}

void Warp::branch(uint32_t taken, int32_t target) {
  const uint32_t rest = active_ & ~taken;
  if (rest == 0) {
    at_ = target;
    return;
  }
  park(target, taken);
  active_ = rest;
}

void Warp::leave() {
  alive_ &= ~mask;
  active_ &= ~mask;
}

void Warp::expect_together(const char* what) const {
  if (mask != alive_)
    throw Fault(FaultKind::divergence, std::string(what) + " that only some lanes of a warp have come to");
}

void Warp::wait_at_barrier() {
  expect_together("a barrier");
  waiting_ = true;
}

void Warp::land_copies() {
  std::erase_if(copies, [&](const AsyncCopy& copy) {
    if (!(mask >> copy.lane & 1)) return false;
    std::byte bytes[16] = {};
    std::memcpy(bytes, reinterpret_cast<const void*>(copy.from), copy.from_bytes);
    block->shared.land(copy.to, bytes, copy.bytes, toucher(copy.lane));
    return true;
  });
}

// The callee runs to its end for the lanes that called, in registers and frames of its own.
void Warp::call(const Instruction& i) {
  const Call& c = function->calls[static_cast<size_t>(i.call)];
  const Function& f = *c.callee;
  std::vector<std::byte> registers, local_memory(static_cast<size_t>(f.local_bytes) * kLanes),
      frame_memory(static_cast<size_t>(f.frame_bytes) * kLanes);
  for (int lane = 0; lane < kLanes; ++lane)
    for (size_t p = 0; p < c.arguments.size(); ++p)
      std::memcpy(frame_memory.data() + lane * f.frame_bytes + f.parameters[p].offset,
                  frames_ + lane * frame_bytes_ + c.arguments[p].offset,
                  static_cast<size_t>(std::min(c.arguments[p].bytes, f.parameters[p].bytes)));

  Warp callee;
  callee.first_thread_ = first_thread_;
  callee.size_ = size_, callee.place_ = place_, callee.grid_ = grid_;
  callee.prepare(f, registers);
  callee.function = &f;
  callee.block = block;
  callee.phase_ = phase_, callee.step_ = step_;
  callee.locals_ = local_memory.data(), callee.local_bytes_ = f.local_bytes;
  callee.frames_ = frame_memory.data(), callee.frame_bytes_ = f.frame_bytes;
  callee.code_ = &f.code;
  callee.alive_ = callee.active_ = mask;
  callee.run();
  if (!callee.ended()) throw Fault(FaultKind::unsupported, "a barrier in a function that is called");

  for (uint32_t rest = mask; rest != 0; rest &= rest - 1) {
    const int lane = std::countr_zero(rest);
    for (size_t p = 0; p < c.results.size(); ++p)
      std::memcpy(frames_ + lane * frame_bytes_ + c.results[p].offset,
                  frame_memory.data() + lane * f.frame_bytes + f.results[p].offset,
                  static_cast<size_t>(std::min(c.results[p].bytes, f.results[p].bytes)));
  }
}

}  // namespace tidemark::emulated
