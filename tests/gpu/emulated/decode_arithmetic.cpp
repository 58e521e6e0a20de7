// Arithmetic of integers and floats: a handler for each opcode and type.
#include <algorithm>
#include <cfenv>
#include <cmath>

#include "tests/gpu/emulated/lanes.h"

namespace tidemark::emulated {
namespace {

__extension__ using Signed128 = __int128;
__extension__ using Unsigned128 = unsigned __int128;

/// op's arithmetic as unsigned, which wraps.
#define WRAPPING(Name, expression)                             \
  struct Name {                                                \
    template <typename T>                                      \
    T operator()(T x, T y) const {                             \
      if constexpr (std::is_integral_v<T>) {                   \
        const uint64_t a = Unsigned<T>(x), b = Unsigned<T>(y); \
        return static_cast<T>(expression);                     \
      } else {                                                 \
        const T a = x, b = y;                                  \
        return expression;                                     \
      }                                                        \
    }                                                          \
  };
WRAPPING(Add, a + b)
WRAPPING(Sub, a - b)
WRAPPING(Mul, a* b)
#undef WRAPPING

struct MulHigh {
  template <typename T>
  T operator()(T a, T b) const {
    if constexpr (std::is_signed_v<T>)
      return static_cast<T>(static_cast<Signed128>(a) * b >> kBits<T>);
    else
      return static_cast<T>(static_cast<Unsigned128>(a) * b >> kBits<T>);
  }
};
/// Of a division by zero a GPU makes all ones.
struct Div {
  template <typename T>
  T operator()(T a, T b) const {
    if constexpr (std::is_integral_v<T>) {
      if (b == 0) return static_cast<T>(-1);
      if (std::is_signed_v<T> && b == static_cast<T>(-1))
        return static_cast<T>(Unsigned<T>(0) - Unsigned<T>(a));
    }
    return static_cast<T>(a / b);
  }
};
struct Rem {
  template <typename T>
  T operator()(T a, T b) const {
    if (b == 0) return a;
    if (std::is_signed_v<T> && b == static_cast<T>(-1)) return 0;
    return static_cast<T>(a % b);
  }
};
/// Of floats, the one that is no NaN.
struct Min {
  template <typename T>
  T operator()(T a, T b) const {
    if constexpr (std::is_floating_point_v<T>) return std::fmin(a, b);
    return std::min(a, b);
  }
};
struct Max {
  template <typename T>
  T operator()(T a, T b) const {
    if constexpr (std::is_floating_point_v<T>) return std::fmax(a, b);
    return std::max(a, b);
  }
};
struct Neg {
  template <typename T>
  T operator()(T a) const {
    if constexpr (std::is_integral_v<T>) return static_cast<T>(Unsigned<T>(0) - Unsigned<T>(a));
    return -a;
  }
};
struct Abs {
  template <typename T>
  T operator()(T a) const {
    if constexpr (std::is_integral_v<T>)
      return a < 0 ? Neg{}(a) : a;
    else
      return std::fabs(a);
  }
};
struct CopySign {
  template <typename T>
  T operator()(T sign, T value) const {
    return std::copysign(value, sign);
  }
};
struct Fma {
  template <typename T>
  T operator()(T a, T b, T c) const {
    return std::fma(a, b, c);
  }
};
/// With the host's rounding set; volatile, so that nothing is moved across.
template <typename F>
float rounded(int mode, const F& f) {
  const int before = std::fegetround();
  std::fesetround(mode);
  const volatile float result = f();
  std::fesetround(before);
  return result;
}
struct FmaDown {
  float operator()(float a, float b, float c) const {
    const volatile float x = a, y = b, z = c;
    return rounded(FE_DOWNWARD, [&] { return std::fma(x, y, z); });
  }
};
struct AddToZero {
  float operator()(float a, float b) const {
    const volatile float x = a, y = b;
    return rounded(FE_TOWARDZERO, [&] { return x + y; });
  }
};
struct MulAdd {
  template <typename T>
  T operator()(T a, T b, T c) const {
    return Add{}(Mul{}(a, b), c);
  }
};
struct Reciprocal {
  template <typename T>
  T operator()(T a) const {
    return 1 / a;
  }
};
struct Root {
  template <typename T>
  T operator()(T a) const {
    return std::sqrt(a);
  }
};
struct Exp2 {
  float operator()(float a) const { return std::exp2(a); }
};
struct Exp2Flushed {
  float operator()(float a) const {
    const float x = std::exp2(std::fpclassify(a) == FP_SUBNORMAL ? 0.0f : a);
    return std::fpclassify(x) == FP_SUBNORMAL ? 0.0f : x;
  }
};

/// mul.wide and mad.wide, whose result is twice as wide; a sum's third operand, too.
template <typename T, typename Wide>
void mul_wide(Warp& w, const Instruction& i) {
  apply<Wide, T, T>(w, i,
                    [](T a, T b) { return static_cast<Wide>(static_cast<Wide>(a) * static_cast<Wide>(b)); });
}
template <typename T, typename Wide>
void mad_wide(Warp& w, const Instruction& i) {
  apply<Wide, T, T, Wide>(w, i, [](T a, T b, Wide c) {
    return Add{}(static_cast<Wide>(static_cast<Wide>(a) * static_cast<Wide>(b)), c);
  });
}

enum CarryMode : uint8_t { kWithCarry = 1, kSetsCarry = 2 };

/// add, sub, and mad's lower and upper half, on unsigned 32 bits with the carry of "Extended-Precision
/// Integer Arithmetic".
enum class Carried { add, sub, mad_low, mad_high };
template <Carried kOp>
void carried(Warp& w, const Instruction& i) {
  const uint32_t before = w.carry;
  uint32_t carries = 0;
  const uint32_t* const third = w.lanes<uint32_t>(i.from[2]);
  const uint32_t* const a = w.lanes<uint32_t>(i.from[0]);
  const uint32_t* const b = w.lanes<uint32_t>(i.from[1]);
  uint32_t* const d = w.lanes<uint32_t>(i.to[0]);
  w.each([&](int l) {
    const uint64_t in = i.mode & kWithCarry ? before >> l & 1 : 0;
    const uint64_t product = uint64_t{a[l]} * b[l];
    const uint64_t sum = kOp == Carried::add       ? uint64_t{a[l]} + b[l] + in
                         : kOp == Carried::sub     ? uint64_t{a[l]} - b[l] - in
                         : kOp == Carried::mad_low ? (product & 0xffffffff) + third[l] + in
                                                   : (product >> 32) + third[l] + in;
    d[l] = static_cast<uint32_t>(sum);
    carries |= static_cast<uint32_t>(sum >> 32 & 1) << l;
  });
  if (i.mode & kSetsCarry) w.carry = (before & ~w.mask) | carries;
}

/// Those whose operands are all of one type.
Handler uniform(const Statement& s, Type type, Instruction& i) {
  const std::string_view op = s.opcode[0];
  const auto any = [&]<typename Op>(Op) {
    return with_any(type, []<typename T>() -> Handler { return binary<T, Op>; });
  };
  const auto floats = [&]<typename Op>(Op) {
    return with_float(type, []<typename T>() -> Handler { return unary<T, Op>; });
  };
  const auto integers = [&]<typename Op>(Op) {
    return with_integer(type, []<typename T>() -> Handler { return binary<T, Op>; });
  };
  const auto single = [&]<typename Op>(Op) -> Handler {
    return type.bits == 32 ? unary<float, Op> : nullptr;
  };

  if (s.has("cc") || op == "addc" || op == "subc" || op == "madc") {
    if (type.bits != 32) return nullptr;
    i.mode = static_cast<uint8_t>((op.ends_with('c') ? kWithCarry : 0) | (s.has("cc") ? kSetsCarry : 0));
    if (op.starts_with("add")) return carried<Carried::add>;
    if (op.starts_with("sub")) return carried<Carried::sub>;
    return s.has("lo") ? carried<Carried::mad_low> : carried<Carried::mad_high>;
  }
  if (s.has("rm") || s.has("rz") || s.has("rp")) {
    if (op == "fma" && s.has("rm") && type.bits == 32) return ternary<float, FmaDown>;
    if (op == "add" && s.has("rz") && type.bits == 32) return binary<float, AddToZero>;
    return nullptr;
  }
  if (op == "add") return any(Add{});
  if (op == "sub") return any(Sub{});
  if (op == "div") return any(Div{});
  if (op == "min") return any(Min{});
  if (op == "max") return any(Max{});
  if (op == "rem") return integers(Rem{});
  if (op == "mul" && type.kind == 'f') return any(Mul{});
  if (op == "mul" && s.has("lo")) return integers(Mul{});
  if (op == "mul" && s.has("hi")) return integers(MulHigh{});
  if (op == "mad" && s.has("lo"))
    return with_integer(type, []<typename T>() -> Handler { return ternary<T, MulAdd>; });
  if (op == "fma" || (op == "mad" && type.kind == 'f'))
    return with_float(type, []<typename T>() -> Handler { return ternary<T, Fma>; });
  if (op == "neg") return with_any(type, []<typename T>() -> Handler { return unary<T, Neg>; });
  if (op == "abs") return with_any(type, []<typename T>() -> Handler { return unary<T, Abs>; });
  if (op == "copysign") return with_float(type, []<typename T>() -> Handler { return binary<T, CopySign>; });
  if (op == "rcp") return floats(Reciprocal{});
  if (op == "sqrt") return floats(Root{});
  if (op == "ex2") return s.has("ftz") ? single(Exp2Flushed{}) : single(Exp2{});
  return nullptr;
}

}  // namespace

bool decode_arithmetic(const Statement& s, FunctionParser& p, Instruction& i) {
  const std::string_view op = s.opcode[0];
  const Type type = s.type();
  const int bytes = type.bytes();
  if ((op == "mul" || op == "mad") && s.has("wide")) {
    const bool adds = op == "mad", is_signed = type.kind == 's';
    i.from = {p.read(s.operands.at(1), bytes), p.read(s.operands.at(2), bytes)};
    if (adds) i.from[2] = p.read(s.operands.at(3), 2 * bytes);
    i.to[0] = p.write(s.operands[0], 2 * bytes);
    if (type.bits == 32 && is_signed)
      i.handler = adds ? mad_wide<int32_t, int64_t> : mul_wide<int32_t, int64_t>;
    if (type.bits == 32 && !is_signed)
      i.handler = adds ? mad_wide<uint32_t, uint64_t> : mul_wide<uint32_t, uint64_t>;
    if (type.bits == 16 && is_signed)
      i.handler = adds ? mad_wide<int16_t, int32_t> : mul_wide<int16_t, int32_t>;
    if (type.bits == 16 && !is_signed)
      i.handler = adds ? mad_wide<uint16_t, uint32_t> : mul_wide<uint16_t, uint32_t>;
    return i.handler != nullptr;
  }
  i.handler = uniform(s, type, i);
  if (!i.handler) return false;
  for (size_t k = 1; k < s.operands.size(); ++k) i.from[k - 1] = p.read(s.operands[k], bytes);
  i.to[0] = p.write(s.operands.at(0), bytes);
  return true;
}

}  // namespace tidemark::emulated
