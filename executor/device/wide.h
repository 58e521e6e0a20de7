// Neighbours that a lane moves at once. A kernel bound by memory must ask for many bytes in few instructions:
// 16 bytes a lane, of its widest operand.
//
// What is done to each of them stands in a generic body, f(Span<n>), which is also made for a Span<1>:
// single elements are what is left over, and all there is where memory is not aligned.
#pragma once

#include <type_traits>

#include "executor/device/piece.h"

namespace tidemark::device {

/// Neighbours that are moved at once where the widest operand is of T.
template <typename T>
inline constexpr int kWide = 16 / static_cast<int>(sizeof(T));

template <int n>
struct Floats {
  float x[n];
  TIDEMARK_DEVICE_INLINE float operator[](int j) const { return x[j]; }
};

/// n values from `at` on, which is aligned to what 16 bytes, or all of them, are.
template <int n, typename T>
TIDEMARK_DEVICE_INLINE Floats<n> load_floats(const T* at) {
  constexpr int kAtOnce = n < kWide<T> ? n : kWide<T>;
  Floats<n> values;
  TIDEMARK_UNROLL
  for (int begin = 0; begin < n; begin += kAtOnce) {
    float some[kAtOnce];
    load_piece<kAtOnce>(at + begin).to_floats(some);
    TIDEMARK_UNROLL
    for (int j = 0; j < kAtOnce; ++j) values.x[begin + j] = some[j];
  }
  return values;
}
template <int n, typename T>
TIDEMARK_DEVICE_INLINE void store_floats(T* at, const Floats<n>& values) {
  constexpr int kAtOnce = n < kWide<T> ? n : kWide<T>;
  TIDEMARK_UNROLL
  for (int begin = 0; begin < n; begin += kAtOnce) {
    float some[kAtOnce];
    TIDEMARK_UNROLL
    for (int j = 0; j < kAtOnce; ++j) some[j] = values.x[begin + j];
    store_piece<kAtOnce>(at + begin, some);
  }
}

/// n neighbours, from element `first` on of whatever they are loaded from.
template <int n>
struct Span {
  static constexpr int kSize = n;
  int64_t first;

  template <typename T>
  TIDEMARK_DEVICE_INLINE Floats<n> load(const T* from) const {
    return load_floats<n>(from + first);
  }
  /// Of nullptr, `otherwise`.
  template <typename T>
  TIDEMARK_DEVICE_INLINE Floats<n> load_or(const T* from, float otherwise) const {
    return from ? load(from) : all([&](int) { return otherwise; });
  }
  /// As they are.
  template <typename T>
  TIDEMARK_DEVICE_INLINE Piece<T, n> piece(const T* from) const {
    return load_piece<n>(from + first);
  }
  template <typename T>
  TIDEMARK_DEVICE_INLINE void copy(const T* from, T* to) const {
    store_piece(to + first, piece(from));
  }
  /// f(j) is element first + j. Since `to` may be what was loaded from, f loads nothing.
  template <typename T, typename F>
  TIDEMARK_DEVICE_INLINE void store(T* to, const F& f) const {
    store_floats(to + first, all(f));
  }
  template <typename F>
  TIDEMARK_DEVICE_INLINE Floats<n> all(const F& f) const {
    Floats<n> values;
    TIDEMARK_UNROLL
    for (int j = 0; j < n; ++j) values.x[j] = f(j);
    return values;
  }
  template <typename F>
  TIDEMARK_DEVICE_INLINE float sum(const F& f) const {
    float total = 0;
    TIDEMARK_UNROLL
    for (int j = 0; j < n; ++j) total += f(j);
    return total;
  }
};

/// The spans that elements [0, count) are cut into: whole ones of n first, then single elements.
template <int n>
class Spans {
 public:
  /// `aligned`: so are elements 0, n, 2n … of all operands, to a span's bytes.
  Spans(int64_t count, bool aligned) : Spans(count, aligned, 0) {}
  /// The first aligned element is `head`.
  TIDEMARK_HOST_DEVICE Spans(int64_t count, bool aligned, int64_t head)
      : head_(head), whole_(aligned && head < count ? (count - head) / n : 0), count_(count) {}

  TIDEMARK_HOST_DEVICE int64_t size() const { return count_ - whole_ * (n - 1); }
  /// f(span i), an inlined call of each kind.
  template <typename F>
  TIDEMARK_DEVICE_INLINE auto visit(int64_t i, const F& f) const {
    if (i < whole_) return f(Span<n>{head_ + i * n});
    const int64_t single = i - whole_;
    return f(Span<1>{single < head_ ? single : single + whole_ * n});
  }

 private:
  int64_t head_, whole_, count_;
};

/// Where an operand begins suits spans of n.
template <int n, typename T>
bool is_aligned(const T* operand) {
  return reinterpret_cast<uintptr_t>(operand) % smaller<size_t>(16, n * sizeof(T)) == 0;
}
/// All of them do, and so do rows of `columns`. An absent one does.
template <int n, typename... T>
bool are_aligned(int64_t columns, const T*... operands) {
  return columns % n == 0 && (is_aligned<n>(operands) && ...);
}

/// body(span) for the spans of [0, count).
template <int n, typename Device, typename Body>
void each_span(Device& device, int64_t count, bool aligned, const Body& body) {
  const Spans<n> spans(count, aligned);
  device.each(
      spans.size(), TIDEMARK_BODY(int64_t i) { spans.visit(i, body); });
}

/// The same in a group, as a phase of it.
template <int n, typename Group, typename F>
TIDEMARK_DEVICE_INLINE void each_span(Group& group, const Spans<n>& spans, const F& f) {
  group.each(spans.size(), [&](int64_t i) { spans.visit(i, f); });
}
/// The sum of f(span), which every lane gets.
template <int n, typename Group, typename F>
TIDEMARK_DEVICE_INLINE float sum_spans(Group& group, const Spans<n>& spans, const F& f) {
  return group.template sum<float>(spans.size(), [&](int64_t i) { return spans.visit(i, f); });
}

}  // namespace tidemark::device
