// cvt, and cvta between generic addresses and those of a window.
#include <bit>
#include <cmath>
#include <limits>
#include <type_traits>

#include "tests/gpu/emulated/parser.h"
#include "tests/gpu/emulated/warp.h"

namespace tidemark::emulated {
namespace {

/// How a float becomes an integer, or one without a fraction.
enum Rounding : uint8_t { kNone, kNearest, kToZero, kDown, kUp };
constexpr uint8_t kRounding = 7, kSaturate = 8;

template <typename T>
T rounded(T x, int rounding) {
  switch (rounding) {
    case kNearest: return std::nearbyint(x);
    case kToZero: return std::trunc(x);
    case kDown: return std::floor(x);
    case kUp: return std::ceil(x);
    default: return x;
  }
}

template <typename To, typename From>
To convert(From x, uint8_t mode) {
  if constexpr (std::is_floating_point_v<From>) {
    const From whole = rounded(x, mode & kRounding);
    if constexpr (std::is_floating_point_v<To>) {
      const To y = static_cast<To>(whole);
      if (mode & kSaturate) return std::isnan(y) ? To{0} : std::fmin(std::fmax(y, To{0}), To{1});
      return y;
    } else {
      using Limits = std::numeric_limits<To>;
      if (std::isnan(whole)) return 0;
      if (whole <= static_cast<From>(Limits::min())) return Limits::min();
      if (whole >= static_cast<From>(Limits::max())) return Limits::max();
      return static_cast<To>(whole);
    }
  } else {
    return static_cast<To>(x);
  }
}

template <typename To, typename From>
void cvt(Warp& w, const Instruction& i) {
  const From* const a = w.lanes<From>(i.from[0]);
  To* const d = w.lanes<To>(i.to[0]);
  w.each([&](int l) { d[l] = convert<To>(a[l], i.mode); });
}

/// To bfloat16, to nearest even.
uint32_t bf16(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  if (std::isnan(x)) return 0x7fff;
  return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}
void cvt_bf16(Warp& w, const Instruction& i) {
  const float* const a = w.lanes<float>(i.from[0]);
  uint16_t* const d = w.lanes<uint16_t>(i.to[0]);
  w.each([&](int l) { d[l] = static_cast<uint16_t>(bf16(a[l])); });
}
/// The first operand becomes the upper half.
void cvt_bf16x2(Warp& w, const Instruction& i) {
  const float* const a = w.lanes<float>(i.from[0]);
  const float* const b = w.lanes<float>(i.from[1]);
  uint32_t* const d = w.lanes<uint32_t>(i.to[0]);
  w.each([&](int l) { d[l] = bf16(a[l]) << 16 | bf16(b[l]); });
}

template <typename To>
Handler from_type(Type from) {
  const bool is_signed = from.kind == 's';
  if (from.kind == 'f') return from.bits == 32 ? cvt<To, float> : from.bits == 64 ? cvt<To, double> : nullptr;
  switch (from.bits) {
    case 8: return is_signed ? cvt<To, int8_t> : cvt<To, uint8_t>;
    case 16: return is_signed ? cvt<To, int16_t> : cvt<To, uint16_t>;
    case 32: return is_signed ? cvt<To, int32_t> : cvt<To, uint32_t>;
    case 64: return is_signed ? cvt<To, int64_t> : cvt<To, uint64_t>;
    default: return nullptr;
  }
}
Handler conversion(Type to, Type from) {
  const bool is_signed = to.kind == 's';
  if (to.kind == 'f')
    return to.bits == 32 ? from_type<float>(from) : to.bits == 64 ? from_type<double>(from) : nullptr;
  switch (to.bits) {
    case 16: return is_signed ? from_type<int16_t>(from) : from_type<uint16_t>(from);
    case 32: return is_signed ? from_type<int32_t>(from) : from_type<uint32_t>(from);
    case 64: return is_signed ? from_type<int64_t>(from) : from_type<uint64_t>(from);
    default: return nullptr;
  }
}

/// Adds where a window begins, or takes it away.
void to_generic(Warp& w, const Instruction& i) {
  const uint64_t* const a = w.lanes<uint64_t>(i.from[0]);
  uint64_t* const d = w.lanes<uint64_t>(i.to[0]);
  w.each([&](int l) { d[l] = a[l] + static_cast<uint64_t>(i.offset); });
}

}  // namespace

bool decode_conversion(const Statement& s, FunctionParser& p, Instruction& i) {
  if (s.opcode[0] == "cvta") {  // cvta{.to}.space.u64
    const uint64_t window = s.has("shared") ? kSharedWindow : s.has("local") ? kLocalWindow : 0;
    if (!s.has("u64") || !(window || s.has("global") || s.has("const"))) return false;
    i.offset = static_cast<int64_t>(s.has("to") ? ~window + 1 : window);
    i.from[0] = p.read(s.operands.at(1), 8);
    i.to[0] = p.write(s.operands[0], 8);
    i.handler = to_generic;
    return true;
  }
  if (s.opcode[0] != "cvt") return false;
  if (s.has("bf16x2") || s.has("bf16")) {
    if (!s.has("rn") || !s.has("f32")) return false;
    const bool two = s.has("bf16x2");
    i.from[0] = p.read(s.operands.at(1), 4);
    if (two) i.from[1] = p.read(s.operands.at(2), 4);
    i.to[0] = p.write(s.operands[0], two ? 4 : 2);
    i.handler = two ? cvt_bf16x2 : cvt_bf16;
    return true;
  }
  const Type to = s.type(1), from = s.type(0);
  i.handler = conversion(to, from);
  if (!i.handler) return false;
  if (s.has("rni")) i.mode = kNearest;
  if (s.has("rzi")) i.mode = kToZero;
  if (s.has("rmi")) i.mode = kDown;
  if (s.has("rpi")) i.mode = kUp;
  if (s.has("sat")) i.mode |= kSaturate;
  // To and from f32 and f64 the host rounds to nearest, as rn does.
  if (s.has("rz") || s.has("rm") || s.has("rp")) return false;
  i.from[0] = p.read(s.operands.at(1), from.bytes());
  i.to[0] = p.write(s.operands[0], to.bytes());
  return true;
}

}  // namespace tidemark::emulated
