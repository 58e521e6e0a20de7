// Moves, comparisons, and what predicates choose.
#include <cmath>

#include "tests/gpu/emulated/lanes.h"

namespace tidemark::emulated {
namespace {

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

bool decode_select(const Statement& s, FunctionParser& p, Instruction& i) {
  const int bytes = s.type().bytes();
  i.from = {p.read(s.operands.at(1), bytes), p.read(s.operands.at(2), bytes),
            p.predicate(s.operands.at(3).text)};
  i.to[0] = p.write(s.operands[0], bytes);
  i.handler = with_integer({'u', s.type().bits}, []<typename T>() -> Handler { return select<T>; });
  return i.handler != nullptr;
}

}  // namespace

bool decode_moves(const Statement& s, FunctionParser& p, Instruction& i) {
  const std::string_view op = s.opcode[0];
  if (op == "mov") return decode_move(s, p, i);
  if (op == "setp") return decode_compare(s, p, i);
  if (op == "selp") return decode_select(s, p, i);
  return s.type().kind == 'p' && decode_predicates(s, p, i);
}

}  // namespace tidemark::emulated
