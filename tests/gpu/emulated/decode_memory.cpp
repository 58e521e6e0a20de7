// ld, st, and cp.async.
#include <cstring>
#include <string>

#include "tests/gpu/emulated/parser.h"
#include "tests/gpu/emulated/warp.h"

namespace tidemark::emulated {
namespace {

/// A kernel's parameters, at a fixed place, which all lanes read alike, or elsewhere; a frame has those of
/// functions.
enum class Space { generic, global, shared, local, fixed_parameter, parameter, frame };

[[noreturn]] void illegal(const char* what, uint64_t address, size_t bytes) {
  char text[96];
  std::snprintf(text, sizeof text, "%s of %zu bytes at %#llx, which is nobody's memory", what, bytes,
                static_cast<unsigned long long>(address));
  throw Fault(FaultKind::illegal_address, text);
}

void check_aligned(uint64_t address, size_t bytes) {
  if ((address & (bytes - 1)) != 0) {  // a power of two
    char text[96];
    std::snprintf(text, sizeof text, "%zu bytes at %#llx, which is no multiple of that", bytes,
                  static_cast<unsigned long long>(address));
    throw Fault(FaultKind::misaligned_address, text);
  }
}

template <Space kSpace>
const std::byte* readable(Warp& w, int lane, uint64_t address, size_t bytes) {
  check_aligned(address, bytes);
  if constexpr (kSpace == Space::generic) {
    if (address - kSharedWindow < kWindowBytes)
      return w.block->shared.read(address - kSharedWindow, bytes, w.toucher(lane));
    if (address - kLocalWindow < kWindowBytes) return w.local(lane, address - kLocalWindow, bytes);
  }
  if constexpr (kSpace == Space::shared) return w.block->shared.read(address, bytes, w.toucher(lane));
  if constexpr (kSpace == Space::local) return w.local(lane, address, bytes);
  if constexpr (kSpace == Space::frame) return w.frame(lane, address, bytes);
  if constexpr (kSpace == Space::parameter || kSpace == Space::fixed_parameter) {
    if (address + bytes > static_cast<uint64_t>(w.function->parameter_bytes))
      illegal("a parameter", address, bytes);
    return w.block->parameters + address;
  }
  if (!w.block->memory->holds(address, bytes)) illegal("a read", address, bytes);
  return reinterpret_cast<const std::byte*>(address);
}

template <Space kSpace>
void write(Warp& w, int lane, uint64_t address, const void* from, size_t bytes) {
  check_aligned(address, bytes);
  if constexpr (kSpace == Space::generic) {
    if (address - kSharedWindow < kWindowBytes)
      return w.block->shared.write(address - kSharedWindow, from, bytes, w.toucher(lane));
    if (address - kLocalWindow < kWindowBytes) {
      std::memcpy(w.local(lane, address - kLocalWindow, bytes), from, bytes);
      return;
    }
  }
  if constexpr (kSpace == Space::shared) return w.block->shared.write(address, from, bytes, w.toucher(lane));
  if constexpr (kSpace == Space::local) {
    std::memcpy(w.local(lane, address, bytes), from, bytes);
    return;
  }
  if constexpr (kSpace == Space::frame) {
    std::memcpy(w.frame(lane, address, bytes), from, bytes);
    return;
  }
  if (!w.block->memory->holds(address, bytes)) illegal("a write", address, bytes);
  std::memcpy(reinterpret_cast<void*>(address), from, bytes);
}

/// Tells those who count what an instruction asks of memory.
template <Space kSpace>
void count(Warp& w, const Instruction& i, size_t bytes) {
  constexpr bool kGlobal = kSpace == Space::global || kSpace == Space::generic,
                 kShared = kSpace == Space::shared;
  if constexpr (kGlobal || kShared) {
    if (!w.block->traffic) return;
    uint64_t addresses[kLanes];
    int lanes = 0;
    for (int lane = 0; lane < kLanes; ++lane)
      if (w.mask >> lane & 1) addresses[lanes++] = w.address(i, lane);
    if (kShared || addresses[0] - kSharedWindow < kWindowBytes)
      w.block->traffic->shared(addresses, lanes, bytes);
    else
      w.block->traffic->global(addresses, lanes, bytes);
  }
}

/// Elements in memory, and the registers that hold one each: those may be wider.
template <Space kSpace, typename Element, typename Register>
void ld(Warp& w, const Instruction& i) {
  const size_t bytes = sizeof(Element) * i.count;
  Element elements[4];
  if constexpr (kSpace == Space::fixed_parameter) {
    std::memcpy(elements, w.block->parameters + i.offset, bytes);
    for (size_t k = 0; k < i.count; ++k) {
      Register* const d = w.lanes<Register>(i.to[k]);
      w.each([&](int l) { d[l] = static_cast<Register>(elements[k]); });
    }
    return;
  }
  count<kSpace>(w, i, bytes);
  w.each([&](int l) {
    std::memcpy(elements, readable<kSpace>(w, l, w.address(i, l), bytes), bytes);
    for (size_t k = 0; k < i.count; ++k) w.lanes<Register>(i.to[k])[l] = static_cast<Register>(elements[k]);
  });
}
template <Space kSpace, typename Element, typename Register>
void st(Warp& w, const Instruction& i) {
  count<kSpace>(w, i, sizeof(Element) * i.count);
  w.each([&](int l) {
    Element elements[4];
    for (size_t k = 0; k < i.count; ++k)
      elements[k] = static_cast<Element>(w.lanes<Register>(i.from[k + 1])[l]);
    write<kSpace>(w, l, w.address(i, l), elements, sizeof(Element) * i.count);
  });
}

template <Space kSpace, typename Element>
Handler access_of(bool load, int register_bytes) {
  // A register is as wide as its element, or wider.
  if constexpr (sizeof(Element) <= 2)
    if (register_bytes == 2)
      return load ? ld<kSpace, Element, std::conditional_t<std::is_signed_v<Element>, int16_t, uint16_t>>
                  : st<kSpace, Element, uint16_t>;
  if constexpr (sizeof(Element) <= 4)
    if (register_bytes == 4)
      return load ? ld<kSpace, Element, std::conditional_t<std::is_signed_v<Element>, int32_t, uint32_t>>
                  : st<kSpace, Element, uint32_t>;
  if (register_bytes == 8)
    return load ? ld<kSpace, Element, std::conditional_t<std::is_signed_v<Element>, int64_t, uint64_t>>
                : st<kSpace, Element, uint64_t>;
  return nullptr;
}

template <Space kSpace>
Handler access_in(bool load, Type type, int register_bytes) {
  const bool is_signed = type.kind == 's';
  switch (type.bits) {
    case 8:
      return is_signed ? access_of<kSpace, int8_t>(load, register_bytes)
                       : access_of<kSpace, uint8_t>(load, register_bytes);
    case 16:
      return is_signed ? access_of<kSpace, int16_t>(load, register_bytes)
                       : access_of<kSpace, uint16_t>(load, register_bytes);
    case 32:
      return is_signed ? access_of<kSpace, int32_t>(load, register_bytes)
                       : access_of<kSpace, uint32_t>(load, register_bytes);
    case 64: return access_of<kSpace, uint64_t>(load, register_bytes);
    default: return nullptr;
  }
}

Handler access(bool load, Space space, Type type, int register_bytes) {
  switch (space) {
    case Space::generic: return access_in<Space::generic>(load, type, register_bytes);
    case Space::global: return access_in<Space::global>(load, type, register_bytes);
    case Space::shared: return access_in<Space::shared>(load, type, register_bytes);
    case Space::local: return access_in<Space::local>(load, type, register_bytes);
    case Space::fixed_parameter:
      return load ? access_in<Space::fixed_parameter>(load, type, register_bytes) : nullptr;
    case Space::parameter: return load ? access_in<Space::parameter>(load, type, register_bytes) : nullptr;
    case Space::frame: return access_in<Space::frame>(load, type, register_bytes);
  }
  return nullptr;
}

/// `parameter`: of a kernel, where it begins, unless what is named is no symbol.
bool decode_access(const Statement& s, FunctionParser& p, Instruction& i, bool in_frame, int64_t parameter) {
  const bool load = s.opcode[0] == "ld";
  const Type type = s.type();
  const Operand& memory = s.operands.at(load ? 1 : 0);
  const Operand& value = s.operands.at(load ? 0 : 1);
  const Space space = s.has("param")    ? (in_frame         ? Space::frame
                                           : parameter >= 0 ? Space::fixed_parameter
                                                            : Space::parameter)
                      : s.has("global") ? Space::global
                      : s.has("const")  ? Space::global
                      : s.has("shared") ? Space::shared
                      : s.has("local")  ? Space::local
                                        : Space::generic;
  const std::vector<std::string_view> parts =
      value.kind == Operand::Kind::vector ? value.parts : std::vector<std::string_view>{value.text};
  if (parts.size() > 4) return false;
  int register_bytes = 0;
  for (const std::string_view part : parts) register_bytes = std::max(register_bytes, p.register_bytes(part));
  if (register_bytes == 0) register_bytes = std::max(2, type.bytes());  // a constant is stored
  i.count = static_cast<uint8_t>(parts.size());
  i.handler = access(load, space, type, register_bytes);
  if (!i.handler) return false;
  for (size_t k = 0; k < parts.size(); ++k)
    (load ? i.to[k] : i.from[k + 1]) =
        load ? p.write(parts[k], register_bytes) : p.read(parts[k], register_bytes);
  p.address(memory, i);
  if (space == Space::fixed_parameter) i.offset += parameter;
  return true;
}

/// cp.async.cX.shared.global [to], [from], bytes{, bytes of the source}: from the second address, in from[1].
void cp_async(Warp& w, const Instruction& i) {
  if (w.block->traffic) {
    uint64_t addresses[kLanes];
    int lanes = 0;
    for (int lane = 0; lane < kLanes; ++lane)
      if ((w.mask >> lane & 1) && w.lanes<uint32_t>(i.from[2])[lane] > 0)
        addresses[lanes++] = w.lanes<uint64_t>(i.from[1])[lane];
    if (lanes > 0) w.block->traffic->global(addresses, lanes, i.count);
  }
  w.each([&](int l) {
    const uint64_t to = w.address(i, l), from = w.lanes<uint64_t>(i.from[1])[l];
    const uint32_t wanted = w.lanes<uint32_t>(i.from[2])[l];
    check_aligned(to, i.count);
    if (wanted > 0) {
      check_aligned(from, i.count);
      if (!w.block->memory->holds(from, wanted)) illegal("a copy", from, wanted);
    }
    w.block->shared.begin_copy(to, i.count, w.toucher(l));
    w.copies.push_back({l, to, i.count, from, std::min<uint32_t>(wanted, i.count)});
  });
}

bool decode_copy(const Statement& s, FunctionParser& p, Instruction& i) {
  if (s.opcode.size() < 2 || s.opcode[1] != "async") return false;
  if (s.has("wait_all")) {
    i.handler = [](Warp& w, const Instruction&) { w.land_copies(); };
    return true;
  }
  if (!s.has("shared") || !s.has("global") || s.operands.size() < 3) return false;
  const std::string_view bytes = s.operands[2].text;
  i.count = bytes == "16" ? 16 : bytes == "8" ? 8 : bytes == "4" ? 4 : 0;
  if (i.count == 0 || s.operands[1].offset != 0) return false;
  p.address(s.operands[0], i);
  i.from[1] = p.read(s.operands[1], 8);
  i.from[2] = p.read(s.operands.back().text, 4);
  i.handler = cp_async;
  return true;
}

}  // namespace

bool decode_memory(const Statement& s, FunctionParser& p, Instruction& i) {
  const std::string_view op = s.opcode[0];
  if (op == "cp") return decode_copy(s, p, i);
  if (op != "ld" && op != "st") return false;
  const auto symbol = p.symbols_.find(s.operands.at(op == "ld" ? 1 : 0).text);
  const bool known = symbol != p.symbols_.end(), in_frame = known && symbol->second.frame;
  return decode_access(s, p, i, in_frame,
                       known && !in_frame ? static_cast<int64_t>(symbol->second.address) : -1);
}

}  // namespace tidemark::emulated
