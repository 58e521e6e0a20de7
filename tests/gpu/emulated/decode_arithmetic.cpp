// Arithmetic, comparisons and moves: a handler for each opcode and type.
#include <algorithm>
#include <cfenv>
#include <cmath>
#include <limits>
#include <type_traits>

#include "tests/gpu/emulated/parser.h"
#include "tests/gpu/emulated/warp.h"

namespace tidemark::emulated {
namespace {

template <typename T>
using Unsigned = std::make_unsigned_t<T>;

__extension__ using Signed128 = __int128;
__extension__ using Unsigned128 = unsigned __int128;

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

template <typename T, typename Op>
void unary(Warp& w, const Instruction& i) {
  const T* const a = w.lanes<T>(i.from[0]);
  T* const d = w.lanes<T>(i.to[0]);
  w.each([&](int l) { d[l] = Op{}(a[l]); });
}
template <typename T, typename Op>
void binary(Warp& w, const Instruction& i) {
  const T* const a = w.lanes<T>(i.from[0]);
  const T* const b = w.lanes<T>(i.from[1]);
  T* const d = w.lanes<T>(i.to[0]);
  w.each([&](int l) { d[l] = Op{}(a[l], b[l]); });
}
template <typename T, typename Op>
void ternary(Warp& w, const Instruction& i) {
  const T* const a = w.lanes<T>(i.from[0]);
  const T* const b = w.lanes<T>(i.from[1]);
  const T* const c = w.lanes<T>(i.from[2]);
  T* const d = w.lanes<T>(i.to[0]);
  w.each([&](int l) { d[l] = Op{}(a[l], b[l], c[l]); });
}

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
template <typename T, typename Op>
struct InMode {
  int mode;
  T operator()(T a, T b, T c) const {
    const int before = std::fegetround();
    std::fesetround(mode);
    volatile T x = a, y = b, z = c;
    volatile T result = Op{}(static_cast<T>(x), static_cast<T>(y), static_cast<T>(z));
    std::fesetround(before);
    return result;
  }
};
struct AddOfThree {
  template <typename T>
  T operator()(T a, T b, T) const {
    return a + b;
  }
};
struct MulOfThree {
  template <typename T>
  T operator()(T a, T b, T) const {
    return a * b;
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
struct RootReciprocal {
  template <typename T>
  T operator()(T a) const {
    return 1 / std::sqrt(a);
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
struct Log2 {
  float operator()(float a) const { return std::log2(a); }
};
struct Tanh {
  float operator()(float a) const { return std::tanh(a); }
};
struct Sin {
  float operator()(float a) const { return std::sin(a); }
};
struct Cos {
  float operator()(float a) const { return std::cos(a); }
};

struct And {
  template <typename T>
  T operator()(T a, T b) const {
    return a & b;
  }
};
struct Or {
  template <typename T>
  T operator()(T a, T b) const {
    return a | b;
  }
};
struct Xor {
  template <typename T>
  T operator()(T a, T b) const {
    return a ^ b;
  }
};
struct Not {
  template <typename T>
  T operator()(T a) const {
    return static_cast<T>(~a);
  }
};
struct LeadingZeros {
  template <typename T>
  T operator()(T a) const {
    return static_cast<T>(std::countl_zero(a));
  }
};
struct Ones {
  template <typename T>
  T operator()(T a) const {
    return static_cast<T>(std::popcount(a));
  }
};

/// The amount is of 32 bits, and clamped to the width.
template <typename T, bool kLeft>
void shift(Warp& w, const Instruction& i) {
  const T* const a = w.lanes<T>(i.from[0]);
  const uint32_t* const amount = w.lanes<uint32_t>(i.from[1]);
  T* const d = w.lanes<T>(i.to[0]);
  w.each([&](int l) {
    const uint32_t n = amount[l];
    if constexpr (kLeft)
      d[l] = n >= kBits<T> ? T{0} : static_cast<T>(static_cast<Unsigned<T>>(a[l]) << n);
    else
      d[l] = static_cast<T>(a[l] >> std::min<uint32_t>(n, kBits<T> - 1));
    if (!kLeft && std::is_unsigned_v<T> && n >= kBits<T>) d[l] = 0;
  });
}

template <typename T, typename Wide>
void mul_wide(Warp& w, const Instruction& i) {
  const T* const a = w.lanes<T>(i.from[0]);
  const T* const b = w.lanes<T>(i.from[1]);
  Wide* const d = w.lanes<Wide>(i.to[0]);
  w.each([&](int l) { d[l] = static_cast<Wide>(a[l]) * static_cast<Wide>(b[l]); });
}
template <typename T, typename Wide>
void mad_wide(Warp& w, const Instruction& i) {
  const T* const a = w.lanes<T>(i.from[0]);
  const T* const b = w.lanes<T>(i.from[1]);
  const Wide* const c = w.lanes<Wide>(i.from[2]);
  Wide* const d = w.lanes<Wide>(i.to[0]);
  w.each([&](int l) {
    d[l] = Add{}(static_cast<Wide>(static_cast<Wide>(a[l]) * static_cast<Wide>(b[l])), c[l]);
  });
}

enum CarryMode : uint8_t { kWithCarry = 1, kSetsCarry = 2 };

/// add, sub, and mad's lower and upper half, on unsigned 32 bits with the carry of "Extended-Precision
/// Integer Arithmetic".
enum class Carried { add, sub, mad_low, mad_high };
template <Carried kOp>
void carried(Warp& w, const Instruction& i) {
  const uint32_t* const a = w.lanes<uint32_t>(i.from[0]);
  const uint32_t* const b = w.lanes<uint32_t>(i.from[1]);
  const uint32_t* const c = w.lanes<uint32_t>(i.from[2]);
  uint32_t* const d = w.lanes<uint32_t>(i.to[0]);
  w.each([&](int l) {
    const uint64_t in = i.mode & kWithCarry ? w.carry >> l & 1 : 0;
    const uint64_t product = uint64_t{a[l]} * b[l];
    const uint64_t sum = kOp == Carried::add       ? uint64_t{a[l]} + b[l] + in
                         : kOp == Carried::sub     ? uint64_t{a[l]} - b[l] - in
                         : kOp == Carried::mad_low ? (product & 0xffffffff) + c[l] + in
                                                   : (product >> 32) + c[l] + in;
    d[l] = static_cast<uint32_t>(sum);
    if (i.mode & kSetsCarry) w.carry = (w.carry & ~(1u << l)) | static_cast<uint32_t>(sum >> 32 & 1) << l;
  });
}

void prmt(Warp& w, const Instruction& i) {
  const uint32_t* const a = w.lanes<uint32_t>(i.from[0]);
  const uint32_t* const b = w.lanes<uint32_t>(i.from[1]);
  const uint32_t* const c = w.lanes<uint32_t>(i.from[2]);
  uint32_t* const d = w.lanes<uint32_t>(i.to[0]);
  w.each([&](int l) {
    const uint64_t both = uint64_t{b[l]} << 32 | a[l];
    uint32_t result = 0;
    for (unsigned byte = 0; byte < 4; ++byte) {
      const uint32_t selector = c[l] >> 4 * byte & 0xf;
      uint32_t value = both >> 8 * (selector & 7) & 0xff;
      if (selector & 8) value = value & 0x80 ? 0xff : 0;
      result |= value << 8 * byte;
    }
    d[l] = result;
  });
}

/// The funnel shift: of b:a, 64 bits, the upper (left) or lower (right) half of them shifted by c.
template <bool kLeft>
void funnel(Warp& w, const Instruction& i) {
  const uint32_t* const a = w.lanes<uint32_t>(i.from[0]);
  const uint32_t* const b = w.lanes<uint32_t>(i.from[1]);
  const uint32_t* const c = w.lanes<uint32_t>(i.from[2]);
  uint32_t* const d = w.lanes<uint32_t>(i.to[0]);
  w.each([&](int l) {
    const uint64_t both = uint64_t{b[l]} << 32 | a[l];
    const uint32_t n = i.mode ? std::min(c[l], 32u) : c[l] & 31;
    d[l] = static_cast<uint32_t>(kLeft ? both << n >> 32 : both >> n);
  });
}

template <typename T>
void bfe(Warp& w, const Instruction& i) {
  const T* const a = w.lanes<T>(i.from[0]);
  const uint32_t* const b = w.lanes<uint32_t>(i.from[1]);
  const uint32_t* const c = w.lanes<uint32_t>(i.from[2]);
  T* const d = w.lanes<T>(i.to[0]);
  w.each([&](int l) {
    const uint32_t at = b[l] & 0xff, length = c[l] & 0xff;
    Unsigned<T> result = 0;
    for (uint32_t bit = 0; bit < kBits<T>; ++bit) {
      // Beyond the field a signed one repeats its last bit.
      uint32_t from = at + bit;
      if (bit >= length) {
        if (std::is_unsigned_v<T> || length == 0) break;
        from = at + length - 1;
      }
      from = std::is_signed_v<T> ? std::min<uint32_t>(from, kBits<T> - 1) : from;
      if (from < kBits<T> && static_cast<Unsigned<T>>(a[l]) >> from & 1) result |= Unsigned<T>{1} << bit;
    }
    d[l] = static_cast<T>(result);
  });
}

void lop3(Warp& w, const Instruction& i) {
  const uint32_t* const a = w.lanes<uint32_t>(i.from[0]);
  const uint32_t* const b = w.lanes<uint32_t>(i.from[1]);
  const uint32_t* const c = w.lanes<uint32_t>(i.from[2]);
  const uint32_t* const table = w.lanes<uint32_t>(i.from[3]);
  uint32_t* const d = w.lanes<uint32_t>(i.to[0]);
  w.each([&](int l) {
    uint32_t result = 0;
    for (uint32_t row = 0; row < 8; ++row)
      if (table[l] >> row & 1)
        result |= (row & 4 ? a[l] : ~a[l]) & (row & 2 ? b[l] : ~b[l]) & (row & 1 ? c[l] : ~c[l]);
    d[l] = result;
  });
}

struct Equal {
  template <typename T>
  bool operator()(T a, T b) const {
    return a == b;
  }
};
struct Less {
  template <typename T>
  bool operator()(T a, T b) const {
    return a < b;
  }
};
struct LessOrEqual {
  template <typename T>
  bool operator()(T a, T b) const {
    return a <= b;
  }
};
struct Unordered {
  template <typename T>
  bool operator()(T a, T b) const {
    if constexpr (std::is_floating_point_v<T>) return std::isnan(a) || std::isnan(b);
    return false;
  }
};

/// What a comparison is made of: one of the above, of operands as they are or exchanged.
enum CompareMode : uint8_t {
  kExchanged = 1,
  kNegated = 2,
  kOrUnordered = 4,
  kAndOrdered = 8,
  kAnd = 16,
  kOr = 32,
  kXor = 48,
  kOtherNegated = 64
};

template <typename T, typename Op>
void compare(Warp& w, const Instruction& i) {
  const T* const a = w.lanes<T>(i.from[i.mode & kExchanged ? 1 : 0]);
  const T* const b = w.lanes<T>(i.from[i.mode & kExchanged ? 0 : 1]);
  uint32_t bits = 0, unordered = 0;
  for (int l = 0; l < kLanes; ++l) {
    bits |= static_cast<uint32_t>(Op{}(a[l], b[l])) << l;
    if constexpr (std::is_floating_point_v<T>)
      unordered |= static_cast<uint32_t>(Unordered{}(a[l], b[l])) << l;
  }
  if (i.mode & kNegated) bits = ~bits;
  if (i.mode & kOrUnordered) bits |= unordered;
  if (i.mode & kAndOrdered) bits &= ~unordered;
  uint32_t second = ~bits;
  if (const int combined = i.mode & kXor) {
    const uint32_t other = i.mode & kOtherNegated ? ~w.predicate(i.from[2]) : w.predicate(i.from[2]);
    bits = combined == kAnd ? bits & other : combined == kOr ? bits | other : bits ^ other;
    second = combined == kAnd ? second & other : combined == kOr ? second | other : second ^ other;
  }
  uint32_t& p = w.predicate(i.to[0]);
  p = (p & ~w.mask) | (bits & w.mask);
  if (i.count == 2) {
    uint32_t& q = w.predicate(i.to[1]);
    q = (q & ~w.mask) | (second & w.mask);
  }
}

template <typename T>
Handler comparison(std::string_view op, uint8_t& mode) {
  constexpr bool kFloat = std::is_floating_point_v<T>;
  if (op == "num") {
    mode |= kNegated;
    return compare<T, Unordered>;
  }
  if (op == "nan") return compare<T, Unordered>;
  // Those of floats that end with u are also true of NaN; unsigned integers have names of their own.
  if (kFloat && op.size() == 3 && op[2] == 'u') {
    mode |= kOrUnordered;
    op.remove_suffix(1);
  } else if (kFloat) {
    mode |= kAndOrdered;
  }
  if (op == "eq") return compare<T, Equal>;
  if (op == "ne") {
    mode |= kNegated;
    return compare<T, Equal>;
  }
  if (op == "gt" || op == "hi" || op == "ge" || op == "hs") mode |= kExchanged;
  if (op == "lt" || op == "lo" || op == "gt" || op == "hi") return compare<T, Less>;
  if (op == "le" || op == "ls" || op == "ge" || op == "hs") return compare<T, LessOrEqual>;
  return nullptr;
}

template <typename T>
void select(Warp& w, const Instruction& i) {
  const T* const a = w.lanes<T>(i.from[0]);
  const T* const b = w.lanes<T>(i.from[1]);
  const uint32_t p = w.predicate(i.from[2]);
  T* const d = w.lanes<T>(i.to[0]);
  w.each([&](int l) { d[l] = p >> l & 1 ? a[l] : b[l]; });
}

struct Same {
  template <typename T>
  T operator()(T a) const {
    return a;
  }
};

/// Of predicates: a function of two, whose truth table is Instruction::mode.
void combine_predicates(Warp& w, const Instruction& i) {
  const uint32_t a = w.predicate(i.from[0]), b = w.predicate(i.from[1]);
  const uint32_t result = (i.mode & 1 ? ~a & ~b : 0) | (i.mode & 2 ? ~a & b : 0) | (i.mode & 4 ? a & ~b : 0) |
                          (i.mode & 8 ? a & b : 0);
  uint32_t& p = w.predicate(i.to[0]);
  p = (p & ~w.mask) | (result & w.mask);
}

/// mov.b64 d, {a, b}: a is the lower part.
template <typename Whole, typename Part>
void pack(Warp& w, const Instruction& i) {
  Whole* const d = w.lanes<Whole>(i.to[0]);
  w.each([&](int l) {
    Whole all = 0;
    for (int part = i.count; part-- > 0;)
      all = static_cast<Whole>(all << kBits<Part>) | w.lanes<Part>(i.from[static_cast<size_t>(part)])[l];
    d[l] = all;
  });
}
template <typename Whole, typename Part>
void unpack(Warp& w, const Instruction& i) {
  w.each([&](int l) {
    Whole all = w.lanes<Whole>(i.from[0])[l];
    for (size_t part = 0; part < i.count; ++part) {
      w.lanes<Part>(i.to[part])[l] = static_cast<Part>(all);
      if constexpr (sizeof(Whole) > sizeof(Part)) all >>= kBits<Part>;
    }
  });
}

bool decode_move(const Statement& s, FunctionParser& p, Instruction& i) {
  const Type type = s.type();
  const Operand& to = s.operands.at(0);
  const Operand& from = s.operands.at(1);
  if (type.kind == 'p') {
    const bool yes = from.text == "1" || from.text == "-1", no = from.text == "0";
    i.to[0] = p.predicate(to.text);
    i.from[0] = i.from[1] = yes || no ? i.to[0] : p.predicate(from.text);
    i.mode = yes ? 15 : no ? 0 : 12;
    i.handler = combine_predicates;
    return true;
  }
  if (from.kind == Operand::Kind::vector || to.kind == Operand::Kind::vector) {
    const bool packs = from.kind == Operand::Kind::vector;
    const auto& parts = packs ? from.parts : to.parts;
    const int bytes = type.bytes() / static_cast<int>(parts.size());
    i.count = static_cast<uint8_t>(parts.size());
    for (size_t k = 0; k < parts.size() && k < 4; ++k)
      (packs ? i.from[k] : i.to[k]) = packs ? p.read(parts[k], bytes) : p.write(parts[k], bytes);
    (packs ? i.to[0] : i.from[0]) = packs ? p.write(to, type.bytes()) : p.read(from, type.bytes());
    if (type.bits == 64 && bytes == 4)
      i.handler = packs ? pack<uint64_t, uint32_t> : unpack<uint64_t, uint32_t>;
    if (type.bits == 64 && bytes == 2)
      i.handler = packs ? pack<uint64_t, uint16_t> : unpack<uint64_t, uint16_t>;
    if (type.bits == 32 && bytes == 2)
      i.handler = packs ? pack<uint32_t, uint16_t> : unpack<uint32_t, uint16_t>;
    return i.handler != nullptr;
  }
  i.from[0] = p.read(from, type.bytes());
  i.to[0] = p.write(to, type.bytes());
  i.handler = with_integer({'u', type.bits}, []<typename T>() -> Handler { return unary<T, Same>; });
  return i.handler != nullptr;
}

bool decode_compare(const Statement& s, FunctionParser& p, Instruction& i) {
  // setp.CmpOp{.BoolOp}{.ftz}.type p{|q}, a, b{, c}
  const Type type = s.type();
  i.handler = with_any(type.kind == 'b' ? Type{'u', type.bits} : type,
                       [&]<typename T>() -> Handler { return comparison<T>(s.opcode.at(1), i.mode); });
  size_t at = 0;
  const std::string_view bool_op = s.opcode.at(2);
  const bool combined = bool_op == "and" || bool_op == "or" || bool_op == "xor";
  i.to[0] = p.predicate(s.operands.at(at++).text);
  if (s.operands.size() == (combined ? 5u : 4u)) {
    i.to[1] = p.predicate(s.operands[at++].text);
    i.count = 2;
  }
  i.from[0] = p.read(s.operands.at(at++), type.bytes());
  i.from[1] = p.read(s.operands.at(at++), type.bytes());
  if (combined) {
    std::string_view other = s.operands.at(at).text;
    if (other.starts_with('!')) {
      i.mode |= kOtherNegated;
      other.remove_prefix(1);
    }
    i.from[2] = p.predicate(other);
    i.mode |= bool_op == "and" ? kAnd : bool_op == "or" ? kOr : kXor;
  }
  return i.handler != nullptr;
}

bool decode_predicates(const Statement& s, FunctionParser& p, Instruction& i) {
  const std::string_view op = s.opcode[0];
  i.to[0] = p.predicate(s.operands.at(0).text);
  i.from[0] = p.predicate(s.operands.at(1).text);
  i.from[1] = p.predicate(s.operands.back().text);
  i.mode = op == "and" ? 8 : op == "or" ? 14 : op == "xor" ? 6 : op == "not" ? 3 : 0;
  i.handler = combine_predicates;
  return i.mode != 0;
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
  if (type.kind == 'f') {
    int rounding = -1;
    if (s.has("rm")) rounding = FE_DOWNWARD;
    if (s.has("rp")) rounding = FE_UPWARD;
    if (s.has("rz")) rounding = FE_TOWARDZERO;
    if (rounding >= 0) {
      const auto in_mode = [&]<typename Op>(Op) -> Handler {
        return with_float(type, [&]<typename T>() -> Handler {
          if (rounding == FE_DOWNWARD)
            return [](Warp& w, const Instruction& at) {
              const T *a = w.lanes<T>(at.from[0]), *b = w.lanes<T>(at.from[1]), *c = w.lanes<T>(at.from[2]);
              T* d = w.lanes<T>(at.to[0]);
              w.each([&](int l) { d[l] = InMode<T, Op>{FE_DOWNWARD}(a[l], b[l], c[l]); });
            };
          if (rounding == FE_TOWARDZERO)
            return [](Warp& w, const Instruction& at) {
              const T *a = w.lanes<T>(at.from[0]), *b = w.lanes<T>(at.from[1]), *c = w.lanes<T>(at.from[2]);
              T* d = w.lanes<T>(at.to[0]);
              w.each([&](int l) { d[l] = InMode<T, Op>{FE_TOWARDZERO}(a[l], b[l], c[l]); });
            };
          return nullptr;
        });
      };
      if (op == "fma") return in_mode(Fma{});
      if (op == "add") return in_mode(AddOfThree{});
      if (op == "mul") return in_mode(MulOfThree{});
      return nullptr;
    }
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
  if (op == "rsqrt") return floats(RootReciprocal{});
  if (op == "ex2") return s.has("ftz") ? single(Exp2Flushed{}) : single(Exp2{});
  if (op == "lg2") return single(Log2{});
  if (op == "tanh") return single(Tanh{});
  if (op == "sin") return single(Sin{});
  if (op == "cos") return single(Cos{});
  if (op == "and") return integers(And{});
  if (op == "or") return integers(Or{});
  if (op == "xor") return integers(Xor{});
  if (op == "not") return with_integer(type, []<typename T>() -> Handler { return unary<T, Not>; });
  return nullptr;
}

}  // namespace

bool decode_arithmetic(const Statement& s, FunctionParser& p, Instruction& i) {
  const std::string_view op = s.opcode[0];
  const Type type = s.type();
  const int bytes = type.bytes();
  if (op == "mov") return decode_move(s, p, i);
  if (op == "setp") return decode_compare(s, p, i);
  if (type.kind == 'p') return decode_predicates(s, p, i);
  if (op == "selp") {
    i.from = {p.read(s.operands.at(1), bytes), p.read(s.operands.at(2), bytes),
              p.predicate(s.operands.at(3).text)};
    i.to[0] = p.write(s.operands[0], bytes);
    i.handler = with_integer({'u', type.bits}, []<typename T>() -> Handler { return select<T>; });
    return i.handler != nullptr;
  }
  if (op == "shl" || op == "shr") {
    i.from = {p.read(s.operands.at(1), bytes), p.read(s.operands.at(2), 4)};
    i.to[0] = p.write(s.operands[0], bytes);
    i.handler = with_integer(
        type, [&]<typename T>() -> Handler { return op == "shl" ? shift<T, true> : shift<T, false>; });
    return i.handler != nullptr;
  }
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
  if (op == "clz" || op == "popc") {  // the result is of 32 bits
    if (type.bits == 64) {
      i.handler = op == "clz" ? Handler{[](Warp& w, const Instruction& at) {
        const uint64_t* const a = w.lanes<uint64_t>(at.from[0]);
        uint32_t* const d = w.lanes<uint32_t>(at.to[0]);
        w.each([&](int l) { d[l] = static_cast<uint32_t>(LeadingZeros{}(a[l])); });
      }}
                              : nullptr;
    } else {
      i.handler = op == "clz" ? unary<uint32_t, LeadingZeros> : unary<uint32_t, Ones>;
    }
    i.from[0] = p.read(s.operands.at(1), bytes);
    i.to[0] = p.write(s.operands[0], 4);
    return i.handler != nullptr;
  }
  if (op == "bfe") {
    i.from = {p.read(s.operands.at(1), bytes), p.read(s.operands.at(2), 4), p.read(s.operands.at(3), 4)};
    i.to[0] = p.write(s.operands[0], bytes);
    i.handler = type.bits < 32 ? nullptr : with_integer(type, []<typename T>() -> Handler { return bfe<T>; });
    return i.handler != nullptr;
  }
  if (op == "prmt" || op == "shf" || op == "lop3") {
    if (op == "prmt" && s.opcode.size() > 2) return false;
    for (size_t k = 1; k < s.operands.size(); ++k) i.from[k - 1] = p.read(s.operands[k], 4);
    i.to[0] = p.write(s.operands.at(0), 4);
    i.mode = s.has("clamp");
    i.handler = op == "prmt" ? prmt : op == "lop3" ? lop3 : s.has("l") ? funnel<true> : funnel<false>;
    return true;
  }
  i.handler = uniform(s, type, i);
  if (!i.handler) return false;
  for (size_t k = 1; k < s.operands.size(); ++k) i.from[k - 1] = p.read(s.operands[k], bytes);
  i.to[0] = p.write(s.operands.at(0), bytes);
  return true;
}

}  // namespace tidemark::emulated
