#include "executor/ops/token_shift.h"

#include "executor/ops/channel_block.h"

namespace tidemark::ops::TIDEMARK_ISA_NS {
namespace {

/// Of the row before.
template <typename T, typename Width>
inline Vec previous_share(const TokenShift& s, int64_t channel, Width w) {
  const Vec mix = load(static_cast<const T*>(s.mix) + channel, w);
  return s.of_previous ? mix : broadcast(1) - mix;
}

template <typename T>
void shift_rows(const TokenShift& s, void* out, int64_t row) {
  const int64_t rows = smaller(kShiftRows, s.rows - row);
  const uint64_t starts = starts_among(s.sequences, row, rows);
  for (int64_t t = 0; t < rows; ++t) {
    const T* const x = static_cast<const T*>(s.x) + (row + t) * s.channels;
    T* const y = static_cast<T*>(out) + (row + t) * s.channels;
    const bool begins = starts >> t & 1;
    lanes(0, s.channels, [&](int64_t i, auto w) {
      const Vec now = load(x + i, w), before = begins ? zero() : load(x - s.channels + i, w);
      store(y + i, fma(previous_share<T>(s, i, w), before - now, now), w);
    });
  }
}

/// Rows go up, so that dx may overwrite dy: a row takes from its own and the next one's.
template <typename T>
void grad_block(const TokenShiftGrad& g, const Block& block) {
  const TokenShift& s = g.shift;
  float share[kScanChannels], sum[kScanChannels] = {};
  block_lanes(block.channels,
              [&](int64_t i, auto w) { store(share + i, previous_share<T>(s, block.first + i, w)); });
  for (int64_t row = 0; row < s.rows; row += kShiftRows) {
    const int64_t rows = smaller(kShiftRows, s.rows - row);
    const uint64_t starts = starts_among(s.sequences, row, rows);
    const uint64_t ends = starts_among(s.sequences, row + 1, rows);
    float part[kScanChannels] = {};
    for (int64_t t = 0; t < rows; ++t) {
      const int64_t at = (row + t) * s.channels + block.first;
      const T* const x = static_cast<const T*>(s.x) + at;
      const T* const dy = static_cast<const T*>(g.dy) + at;
      const T* const acc = g.dx_acc ? static_cast<const T*>(g.dx_acc) + at : nullptr;
      T* const dx = static_cast<T*>(g.dx) + at;
      const bool begins = starts >> t & 1, last = ends >> t & 1;
      block_lanes(block.channels, [&](int64_t i, auto w) {
        const Vec d = load(dy + i, w), next = last ? zero() : load(dy + s.channels + i, w);
        const Vec now = load(x + i, w), before = begins ? zero() : load(x - s.channels + i, w);
        store(part + i, fma(d, before - now, load(part + i)));
        const Vec mine = fma(load(share + i), next - d, d);
        store(dx + i, acc ? load(acc + i, w) + mine : mine, w);
      });
    }
    for (int64_t i = 0; i < kScanChannels; i += kLanes) store(sum + i, load(sum + i) + load(part + i));
  }
  T* const dmix = static_cast<T*>(g.dmix) + block.first;
  block_lanes(block.channels,
              [&](int64_t i, auto w) { store(dmix + i, s.of_previous ? load(sum + i) : -load(sum + i), w); });
}

}  // namespace

void token_shift_rows(const TokenShift& s, void* y, int64_t row) {
  s.bf16 ? shift_rows<Bf16>(s, y, row) : shift_rows<float>(s, y, row);
}

void token_shift_grad_block(const TokenShiftGrad& g, int64_t index) {
  const Block block = block_of(g.shift.channels, index);
  g.shift.bf16 ? grad_block<Bf16>(g, block) : grad_block<float>(g, block);
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
