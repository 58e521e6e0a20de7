// How handlers go over the lanes of a warp: operations of a type, and the types of PTX.
#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>

#include "tests/gpu/emulated/parser.h"
#include "tests/gpu/emulated/warp.h"

namespace tidemark::emulated {

template <typename T>
using Unsigned = std::make_unsigned_t<T>;

template <typename T>
constexpr int kBits = 8 * sizeof(T);

/// Calls f.operator()<T>() with the C++ type of a PTX type; those of kind 'b' are unsigned.
template <typename F>
Handler with_integer(Type type, const F& f) {
  const bool is_signed = type.kind == 's';
  switch (type.bits) {
    case 16: return is_signed ? f.template operator()<int16_t>() : f.template operator()<uint16_t>();
    case 32: return is_signed ? f.template operator()<int32_t>() : f.template operator()<uint32_t>();
    case 64: return is_signed ? f.template operator()<int64_t>() : f.template operator()<uint64_t>();
    default: return nullptr;
  }
}
template <typename F>
Handler with_float(Type type, const F& f) {
  if (type.kind != 'f') return nullptr;
  return type.bits == 32   ? f.template operator()<float>()
         : type.bits == 64 ? f.template operator()<double>()
                           : nullptr;
}
template <typename F>
Handler with_any(Type type, const F& f) {
  return type.kind == 'f' ? with_float(type, f) : with_integer(type, f);
}

/// The result is f of the operands, which are of types S.
template <typename D, typename... S, typename F>
void apply(Warp& w, const Instruction& i, const F& f) {
  const auto to_lanes = [&](D* const d, const S* const... operands) {
    w.each([&](int l) { d[l] = f(operands[l]...); });
  };
  [&]<size_t... k>(std::index_sequence<k...>) {
    to_lanes(w.lanes<D>(i.to[0]), w.lanes<S>(i.from[k])...);
  }
  (std::index_sequence_for<S...>{});
}

template <typename T, typename Op>
void unary(Warp& w, const Instruction& i) {
  apply<T, T>(w, i, Op{});
}
template <typename T, typename Op>
void binary(Warp& w, const Instruction& i) {
  apply<T, T, T>(w, i, Op{});
}
template <typename T, typename Op>
void ternary(Warp& w, const Instruction& i) {
  apply<T, T, T, T>(w, i, Op{});
}

}  // namespace tidemark::emulated
