// Bits: logic, shifts, fields and bytes.
#include <algorithm>
#include <bit>

#include "tests/gpu/emulated/lanes.h"

namespace tidemark::emulated {
namespace {

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
template <typename T>
void shl(Warp& w, const Instruction& i) {
  apply<T, T, uint32_t>(w, i, [](T a, uint32_t n) {
    return n >= kBits<T> ? T{0} : static_cast<T>(static_cast<Unsigned<T>>(a) << n);
  });
}
template <typename T>
void shr(Warp& w, const Instruction& i) {
  apply<T, T, uint32_t>(w, i, [](T a, uint32_t n) {
    if (n >= kBits<T>) return static_cast<T>(a < 0 ? -1 : 0);
    return static_cast<T>(a >> n);
  });
}

template <typename T, typename Op>
void count_bits(Warp& w, const Instruction& i) {
  apply<uint32_t, T>(w, i, [](T a) { return static_cast<uint32_t>(Op{}(a)); });
}

uint64_t joined(uint32_t low, uint32_t high) {
  return uint64_t{high} << 32 | low;
}

void prmt(Warp& w, const Instruction& i) {
  apply<uint32_t, uint32_t, uint32_t, uint32_t>(w, i, [](uint32_t a, uint32_t b, uint32_t selectors) {
    uint32_t result = 0;
    for (unsigned byte = 0; byte < 4; ++byte) {
      const uint32_t selector = selectors >> 4 * byte & 0xf;
      uint32_t value = joined(a, b) >> 8 * (selector & 7) & 0xff;
      if (selector & 8) value = value & 0x80 ? 0xff : 0;
      result |= value << 8 * byte;
    }
    return result;
  });
}

/// The funnel shift: of b:a, 64 bits, the upper (left) or lower (right) half of them shifted by c.
template <bool kLeft>
void shf(Warp& w, const Instruction& i) {
  apply<uint32_t, uint32_t, uint32_t, uint32_t>(w, i, [&](uint32_t a, uint32_t b, uint32_t c) {
    const uint32_t n = i.mode ? std::min(c, 32u) : c & 31;
    return static_cast<uint32_t>(kLeft ? joined(a, b) << n >> 32 : joined(a, b) >> n);
  });
}

/// The field's bits, and above them zeros, or, signed, its last one again.
template <typename T>
void bfe(Warp& w, const Instruction& i) {
  apply<T, T, uint32_t, uint32_t>(w, i, [](T a, uint32_t begin, uint32_t length) {
    const auto n = static_cast<int>(std::min<uint32_t>(length & 0xff, kBits<T>)),
               at = static_cast<int>(begin & 0xff);
    if (n == 0) return T{0};
    const T shifted = at >= kBits<T> ? static_cast<T>(a < 0 ? -1 : 0) : static_cast<T>(a >> at);
    return static_cast<T>(static_cast<T>(static_cast<Unsigned<T>>(shifted) << (kBits<T> - n)) >>
                          (kBits<T> - n));
  });
}

void lop3(Warp& w, const Instruction& i) {
  apply<uint32_t, uint32_t, uint32_t, uint32_t, uint32_t>(
      w, i, [](uint32_t a, uint32_t b, uint32_t c, uint32_t table) {
        uint32_t result = 0;
        for (uint32_t row = 0; row < 8; ++row)
          if (table >> row & 1) result |= (row & 4 ? a : ~a) & (row & 2 ? b : ~b) & (row & 1 ? c : ~c);
        return result;
      });
}

template <typename Op>
Handler logic(Type type) {
  return with_integer(type, []<typename T>() -> Handler { return binary<T, Op>; });
}

}  // namespace

bool decode_bits(const Statement& s, FunctionParser& p, Instruction& i) {
  const std::string_view op = s.opcode[0];
  const Type type = s.type();
  if (type.kind == 'p') return false;
  // Of the result, and of the operands in turn; what has no handler is not known.
  int result = type.bytes();
  std::array<int, 4> operands{result, result, result, result};
  if (op == "and") i.handler = logic<And>(type);
  if (op == "or") i.handler = logic<Or>(type);
  if (op == "xor") i.handler = logic<Xor>(type);
  if (op == "not") i.handler = with_integer(type, []<typename T>() -> Handler { return unary<T, Not>; });
  if (op == "shl" || op == "shr") {
    operands[1] = 4;
    i.handler = with_integer(type, [&]<typename T>() -> Handler { return op == "shl" ? shl<T> : shr<T>; });
  }
  if (op == "clz" || op == "popc") {
    result = 4;
    i.handler = type.bits == 64
                    ? (op == "clz" ? count_bits<uint64_t, LeadingZeros> : count_bits<uint64_t, Ones>)
                    : (op == "clz" ? count_bits<uint32_t, LeadingZeros> : count_bits<uint32_t, Ones>);
  }
  if (op == "bfe") {
    operands[1] = operands[2] = 4;
    i.handler = with_integer(type, []<typename T>() -> Handler { return bfe<T>; });
  }
  i.mode = s.has("clamp");
  if (op == "prmt" && s.opcode.size() == 2) i.handler = prmt;
  if (op == "shf") i.handler = s.has("l") ? shf<true> : shf<false>;
  if (op == "lop3") i.handler = lop3;
  if (!i.handler) return false;
  for (size_t k = 1; k < s.operands.size(); ++k) i.from[k - 1] = p.read(s.operands[k], operands.at(k - 1));
  i.to[0] = p.write(s.operands.at(0), result);
  return true;
}

}  // namespace tidemark::emulated
