// What the lanes of a warp, or the warps of a block, do together: barriers, shuffles, and tensor cores.
#include <bit>
#include <cstring>

#include "tests/gpu/emulated/parser.h"
#include "tests/gpu/emulated/warp.h"

namespace tidemark::emulated {
namespace {

enum ShuffleMode : uint8_t { kUp, kDown, kButterfly, kIndex };

/// shfl.sync.mode.b32 d|p, a, b, c, members. The lanes that are named must be all that have not ended: nobody
/// here works with parts of warps.
void shuffle(Warp& w, const Instruction& i) {
  w.expect_together("a shuffle");
  const uint32_t* const a = w.lanes<uint32_t>(i.from[0]);
  const uint32_t* const b = w.lanes<uint32_t>(i.from[1]);
  const uint32_t* const c = w.lanes<uint32_t>(i.from[2]);
  const uint32_t* const members = w.lanes<uint32_t>(i.from[3]);
  uint32_t result[kLanes], valid = 0;
  w.each([&](int lane) {
    if ((members[lane] & w.mask) != w.mask)
      throw Fault(FaultKind::divergence, "a shuffle that leaves out lanes");
    const int by = static_cast<int>(b[lane] & 31), clamp = static_cast<int>(c[lane] & 31);
    const int segment = static_cast<int>(c[lane] >> 8 & 31);
    const int last = (lane & segment) | (clamp & ~segment), first = lane & segment;
    int from = lane;
    bool inside = false;
    switch (i.mode) {
      case kUp:
        from = lane - by;
        inside = from >= last;
        break;
      case kDown:
        from = lane + by;
        inside = from <= last;
        break;
      case kButterfly:
        from = lane ^ by;
        inside = from <= last;
        break;
      default: from = first | (by & ~segment); inside = from <= last;
    }
    if (!inside) from = lane;
    if (!(w.mask >> from & 1)) throw Fault(FaultKind::divergence, "a shuffle from a lane that has ended");
    result[lane] = a[from];
    valid |= static_cast<uint32_t>(inside) << lane;
  });
  uint32_t* const d = w.lanes<uint32_t>(i.to[0]);
  w.each([&](int lane) { d[lane] = result[lane]; });
  if (i.count == 2) {
    uint32_t& p = w.predicate(i.to[1]);
    p = (p & ~w.mask) | (valid & w.mask);
  }
}

/// ldmatrix.m8n8: row r of matrix m is at the address that lane 8 m + r gives; lane l gets of row l / 4 the
/// elements 2 (l mod 4) and the next, or, transposed, those of that column.
template <bool kTransposed>
void ldmatrix(Warp& w, const Instruction& i) {
  w.expect_together("ldmatrix");
  uint16_t matrices[4][8][8];
  for (int row = 0; row < 8 * i.count; ++row) {
    uint64_t at = w.address(i, row);
    if (at >= kSharedWindow) at -= kSharedWindow;
    if (at % 16 != 0) throw Fault(FaultKind::misaligned_address, "a row for ldmatrix");
    std::memcpy(matrices[row / 8][row % 8], w.block->shared.read(at, 16, w.toucher(row)), 16);
  }
  for (size_t m = 0; m < i.count; ++m)
    for (int lane = 0; lane < kLanes; ++lane) {
      const int major = lane / 4, minor = lane % 4 * 2;
      const uint32_t low = kTransposed ? matrices[m][minor][major] : matrices[m][major][minor];
      const uint32_t high = kTransposed ? matrices[m][minor + 1][major] : matrices[m][major][minor + 1];
      w.lanes<uint32_t>(i.to[m])[lane] = low | high << 16;
    }
}

float of_bf16(uint32_t bits) {
  return std::bit_cast<float>(bits << 16);
}

/// mma.m16n8k16 of bf16, "Matrix Fragments for mma.m16n8k16 with floating point type": of A, element e of a
/// lane is in row lane / 4, and 8 further down for e = 2, 3, 6, 7; in column 2 (lane mod 4) + e mod 2, and 8
/// further right for e of 4 and more. Of B, in row 2 (lane mod 4) + e mod 2, 8 further down for e of 2 and
/// more, and in column lane / 4. Of C and D, in row lane / 4, 8 further down for e of 2 and more, and in
/// column 2 (lane mod 4) + e mod 2.
void mma_m16n8k16(Warp& w, const Instruction& i) {
  w.expect_together("mma");
  float a[16][16], b[16][8], c[16][8];
  for (int lane = 0; lane < kLanes; ++lane) {
    const int group = lane / 4, in_group = lane % 4;
    for (int e = 0; e < 8; ++e) {
      const uint32_t both = w.lanes<uint32_t>(i.from[static_cast<size_t>(e / 2)])[lane];
      const int row = group + (e == 2 || e == 3 || e == 6 || e == 7 ? 8 : 0);
      a[row][in_group * 2 + (e & 1) + (e >= 4 ? 8 : 0)] = of_bf16(e & 1 ? both >> 16 : both & 0xffff);
    }
    for (int e = 0; e < 4; ++e) {
      const uint32_t both = w.lanes<uint32_t>(i.from[static_cast<size_t>(4 + e / 2)])[lane];
      b[in_group * 2 + (e & 1) + (e >= 2 ? 8 : 0)][group] = of_bf16(e & 1 ? both >> 16 : both & 0xffff);
      c[group + (e >= 2 ? 8 : 0)][in_group * 2 + (e & 1)] =
          w.lanes<float>(i.from[static_cast<size_t>(6 + e)])[lane];
    }
  }
  for (int row = 0; row < 16; ++row) {
    float sums[8] = {};
    for (int k = 0; k < 16; ++k)
      for (int column = 0; column < 8; ++column) sums[column] += a[row][k] * b[k][column];
    for (int column = 0; column < 8; ++column) c[row][column] += sums[column];
  }
  for (int lane = 0; lane < kLanes; ++lane)
    for (int e = 0; e < 4; ++e)
      w.lanes<float>(i.to[static_cast<size_t>(e)])[lane] =
          c[lane / 4 + (e >= 2 ? 8 : 0)][lane % 4 * 2 + (e & 1)];
}

bool decode_barrier(const Statement& s, Instruction& i) {
  if (s.has("warp")) {
    i.handler = [](Warp& w, const Instruction&) {
      w.expect_together("bar.warp.sync");
      w.step();
    };
    return true;
  }
  // Barrier 0, of all of the block.
  if (!s.has("sync") || s.operands.size() != 1 || s.operands[0].text != "0") return false;
  i.handler = [](Warp& w, const Instruction&) { w.wait_at_barrier(); };
  return true;
}

bool decode_shuffle(const Statement& s, FunctionParser& p, Instruction& i) {
  if (!s.has("sync") || !s.has("b32")) return false;
  i.mode = s.has("up") ? kUp : s.has("down") ? kDown : s.has("bfly") ? kButterfly : kIndex;
  size_t at = 0;
  i.to[0] = p.write(s.operands.at(at++), 4);
  if (s.operands.size() == 6) {
    i.to[1] = p.predicate(s.operands[at++].text);
    i.count = 2;
  }
  for (size_t k = 0; k < 4; ++k) i.from[k] = p.read(s.operands.at(at++), 4);
  i.handler = shuffle;
  return true;
}

}  // namespace

bool decode_warp(const Statement& s, FunctionParser& p, Instruction& i) {
  const std::string_view op = s.opcode[0];
  if (op == "bar" || op == "barrier") return decode_barrier(s, i);
  if (op == "shfl") return decode_shuffle(s, p, i);
  if (op == "ldmatrix") {
    if (!s.has("m8n8") || !s.has("b16")) return false;
    const auto& parts = s.operands.at(0).parts;
    i.count = static_cast<uint8_t>(parts.size());
    for (size_t k = 0; k < parts.size() && k < 4; ++k) i.to[k] = p.write(parts[k], 4);
    p.address(s.operands.at(1), i);
    i.handler = s.has("trans") ? ldmatrix<true> : ldmatrix<false>;
    return true;
  }
  if (op == "mma") {
    if (!s.has("m16n8k16") || !s.has("row") || !s.has("col") || !s.has("bf16") || s.type().bits != 32)
      return false;
    for (size_t k = 0; k < 4; ++k) i.to[k] = p.write(s.operands.at(0).parts.at(k), 4);
    size_t at = 0;
    for (size_t operand = 1; operand < 4; ++operand)
      for (const std::string_view part : s.operands.at(operand).parts)
        if (at < 10) i.from[at++] = p.read(part, 4);
    i.handler = mma_m16n8k16;
    return true;
  }
  if (op == "trap") {
    i.handler = [](Warp&, const Instruction&) { throw Fault(FaultKind::trap, "trap"); };
    return true;
  }
  return false;
}

}  // namespace tidemark::emulated
