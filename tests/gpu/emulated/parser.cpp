#include "tests/gpu/emulated/parser.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <tuple>

#include "tests/gpu/emulated/fault.h"
#include "tests/gpu/emulated/warp.h"

namespace tidemark::emulated {
namespace {

constexpr int64_t kRegisterAlignment = 64;

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$' || c == '%' || c == '.';
}

int64_t up(int64_t bytes, int64_t to) {
  return (bytes + to - 1) / to * to;
}

/// Of an integer, or of a float's bits: "12", "-0x1", "0f3F800000", "0d…".
bool immediate(std::string_view text, uint64_t& value) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  int base = 10;
  if (text.starts_with("0f") || text.starts_with("0F") || text.starts_with("0d") || text.starts_with("0D") ||
      text.starts_with("0x") || text.starts_with("0X")) {
    text.remove_prefix(2);
    base = 16;
  }
  if (text.ends_with('U')) text.remove_suffix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (negative) value = ~value + 1;
  return error == std::errc() && end == text.data() + text.size();
}

/// Copies Instruction::count bytes of each of `mode`.
void keep_lower_part(Warp& w, const Instruction& i) {
  w.each([&](int lane) {
    std::memcpy(w.lanes<std::byte>(i.to[0]) + lane * i.count, w.lanes<std::byte>(i.from[0]) + lane * i.mode,
                i.count);
  });
}

}  // namespace

Type type_of(std::string_view text) {
  if (text == "pred") return {'p', 0};
  if (text == "f16x2" || text == "bf16x2") return {'b', 32};
  if (text.size() < 2 || std::string_view("usbf").find(text[0]) == std::string_view::npos) return {};
  int bits = 0;
  const auto [end, error] = std::from_chars(text.data() + 1, text.data() + text.size(), bits);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  return {text[0], bits};
}

bool Statement::has(std::string_view modifier) const {
  return std::find(opcode.begin(), opcode.end(), modifier) != opcode.end();
}

Type Statement::type(size_t from_last) const {
  return from_last < opcode.size() ? type_of(opcode[opcode.size() - 1 - from_last]) : Type{};
}

FunctionParser::FunctionParser(Module& module, std::string_view name, std::string_view text, bool entry,
                               int line)
    : module_(module), function_(std::make_unique<Function>()), text_(text), line_(line) {
  function_->name = name;
  function_->entry = entry;
  scopes_.emplace_back();
}

void FunctionParser::fail(const std::string& what) const {
  throw Fault(FaultKind::unsupported,
              "PTX of " + function_->name + ", line " + std::to_string(line_) + ": " + what);
}

void FunctionParser::skip() {
  while (at_ < text_.size()) {
    if (text_[at_] == '\n') ++line_;
    if (std::isspace(static_cast<unsigned char>(text_[at_]))) {
      ++at_;
    } else if (text_.compare(at_, 2, "//") == 0) {
      at_ = std::min(text_.find('\n', at_), text_.size());
    } else {
      return;
    }
  }
}

bool FunctionParser::at_end() {
  skip();
  return at_ == text_.size();
}

/// A word, or one other character.
std::string_view FunctionParser::token() {
  skip();
  const size_t begin = at_;
  while (at_ < text_.size() && is_word(text_[at_])) ++at_;
  if (at_ == begin && at_ < text_.size()) ++at_;
  return text_.substr(begin, at_ - begin);
}

std::string_view FunctionParser::peek() {
  const size_t before = at_;
  const int line = line_;
  const std::string_view next = token();
  at_ = before;
  line_ = line;
  return next;
}

void FunctionParser::expect(std::string_view what) {
  if (const std::string_view found = token(); found != what)
    fail("'" + std::string(what) + "' expected before '" + std::string(found) + "'");
}

std::string_view FunctionParser::until(char end) {
  const size_t begin = at_;
  at_ = text_.find(end, at_);
  if (at_ == std::string_view::npos) fail(std::string("no '") + end + "'");
  line_ += static_cast<int>(std::count(text_.begin() + static_cast<std::ptrdiff_t>(begin),
                                       text_.begin() + static_cast<std::ptrdiff_t>(at_), '\n'));
  return text_.substr(begin, at_++ - begin);
}

uint32_t FunctionParser::place(int bytes) {
  const int64_t at = function_->register_bytes;
  function_->register_bytes =
      up(at + int64_t{bytes > 0 ? bytes * kLanes : 4}, bytes > 0 ? kRegisterAlignment : 4);
  if (bytes > 0 && at % kRegisterAlignment != 0) {
    function_->register_bytes = up(at, kRegisterAlignment);
    return place(bytes);
  }
  return static_cast<uint32_t>(at);
}

uint32_t FunctionParser::constant(uint64_t value, int bytes) {
  const auto [found, added] = constants_.try_emplace({value, bytes}, 0);
  if (added) {
    found->second = place(bytes);
    function_->constants.push_back({found->second, static_cast<uint8_t>(bytes), value});
  }
  return found->second;
}

namespace {

/// "%r85": the family's name, and the number.
bool numbered(std::string_view text, std::string_view& family, int& number) {
  size_t digits = text.size();
  while (digits > 0 && std::isdigit(static_cast<unsigned char>(text[digits - 1]))) --digits;
  if (digits == text.size() || digits == 0) return false;
  family = text.substr(0, digits);
  std::from_chars(text.data() + digits, text.data() + text.size(), number);
  return true;
}

}  // namespace

int FunctionParser::register_bytes(std::string_view operand) const {
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope)
    if (const auto found = scope->find(operand); found != scope->end()) return found->second.bytes;
  std::string_view name;
  int number = 0;
  if (numbered(operand, name, number))
    if (const auto family = families_.find(name); family != families_.end()) return family->second.bytes;
  return 0;
}

uint32_t FunctionParser::write(std::string_view operand, int bytes) {
  if (operand == "_") return constant(0xdead, std::max(bytes, 8));  // a place that nobody reads
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope)
    if (const auto found = scope->find(operand); found != scope->end()) {
      if (found->second.bytes != bytes) fail("'" + std::string(operand) + "' is of another size");
      return found->second.place;
    }
  std::string_view name;
  int number = 0;
  if (numbered(operand, name, number))
    if (const auto family = families_.find(name);
        family != families_.end() && number < family->second.count) {
      if (family->second.bytes != bytes) fail("'" + std::string(operand) + "' is of another size");
      const int64_t each = bytes > 0 ? up(int64_t{bytes} * kLanes, kRegisterAlignment) : 4;
      return static_cast<uint32_t>(family->second.first + each * number);
    }
  fail("'" + std::string(operand) + "' is no register");
}

uint32_t FunctionParser::predicate(std::string_view operand) {
  return write(operand, 0);
}

uint32_t FunctionParser::read(std::string_view operand, int bytes) {
  uint64_t value = 0;
  if (immediate(operand, value)) return constant(value, bytes);
  if (const int wide = register_bytes(operand); wide > bytes) {
    // Of a wider register, its lower part.
    Instruction narrow;
    narrow.from[0] = write(operand, wide);
    narrow.to[0] = place(bytes);
    narrow.line = line_;
    narrow.mode = static_cast<uint8_t>(wide);
    narrow.count = static_cast<uint8_t>(bytes);
    narrow.handler = keep_lower_part;
    emit(narrow);
    return narrow.to[0];
  } else if (wide > 0) {
    return write(operand, bytes);
  }
  if (operand == "WARP_SZ") return constant(kLanes, bytes);
  if (operand.starts_with('%')) {
    static constexpr std::string_view kNames[] = {
        // in the order of Special
        "%tid.x",   "%tid.y",   "%tid.z",    "%ntid.x",   "%ntid.y",   "%ntid.z", "%ctaid.x",
        "%ctaid.y", "%ctaid.z", "%nctaid.x", "%nctaid.y", "%nctaid.z", "%laneid"};
    const auto known = std::find(std::begin(kNames), std::end(kNames), operand);
    if (bytes != 4 || known == std::end(kNames))
      fail("the register '" + std::string(operand) + "' is not known");
    const auto special = static_cast<Special>(known - std::begin(kNames));
    const auto [found, added] = function_->special.try_emplace(special, 0);
    if (added) found->second = place(4);
    return found->second;
  }
  if (const auto symbol = symbols_.find(operand); symbol != symbols_.end())
    return constant(symbol->second.address, bytes);
  if (const auto variable = module_.variables_.find(operand); variable != module_.variables_.end())
    return constant(variable->second, bytes);
  if (module_.dynamic_shared_.contains(operand))  // behind what the function declares, which it does first
    return constant(static_cast<uint64_t>(up(function_->shared_bytes, kDynamicAlignment)), bytes);
  fail("the operand '" + std::string(operand) + "' is not known");
}

void FunctionParser::address(const Operand& operand, Instruction& i) {
  if (operand.kind != Operand::Kind::address) fail("an address expected");
  const int bytes = register_bytes(operand.text);
  i.from[0] = read(operand.text, bytes == 4 ? 4 : 8);
  i.short_address = bytes == 4;
  i.offset = operand.offset;
}

Operand FunctionParser::operand() {
  Operand o;
  const std::string_view first = token();
  if (first == "[") {
    o.kind = Operand::Kind::address;
    o.text = token();
    while (peek() == "+" || peek() == "-") {
      // "+-16" is written, too.
      int64_t sign = 1;
      while (peek() == "+" || peek() == "-") sign *= token() == "-" ? -1 : 1;
      uint64_t value = 0;
      if (!immediate(token(), value)) fail("an offset expected");
      o.offset += sign * static_cast<int64_t>(value);
    }
    expect("]");
  } else if (first == "{" || first == "(") {
    o.kind = first == "{" ? Operand::Kind::vector : Operand::Kind::list;
    const std::string_view last = first == "{" ? "}" : ")";
    while (peek() != last) {
      if (peek() == ",") token();
      o.parts.push_back(token());
    }
    token();
  } else if (first == "-" || first == "!") {
    const std::string_view value = token();
    o.text = {first.data(), static_cast<size_t>(value.data() + value.size() - first.data())};
  } else {
    o.text = first;
  }
  return o;
}

/// ".align 8 .b8 name[56]", ".b64 name"; `open` where it is name[].
int64_t FunctionParser::declared_bytes(int64_t& alignment, std::string_view& name, bool& open) {
  alignment = 0;
  open = false;
  std::string_view word = token();
  while (word == ".align" || word == ".ptr" || word == ".global") {
    if (word == ".align") {
      uint64_t value = 0;
      if (!immediate(token(), value)) fail("an alignment expected");
      alignment = static_cast<int64_t>(value);
    }
    word = token();
  }
  const Type type = word.starts_with('.') ? type_of(word.substr(1)) : Type{};
  if (type.bits == 0) fail("a type expected, not '" + std::string(word) + "'");
  name = token();
  int64_t bytes = type.bytes();
  alignment = std::max(alignment, bytes);
  while (peek() == "[") {
    token();
    if (peek() == "]") {
      open = true;
    } else {
      uint64_t count = 0;
      if (!immediate(token(), count)) fail("a length expected");
      bytes *= static_cast<int64_t>(count);
    }
    expect("]");
  }
  return bytes;
}

void FunctionParser::parameters(std::vector<Parameter>& to) {
  expect("(");
  while (peek() != ")") {
    if (peek() == ",") token();
    expect(".param");
    int64_t alignment;
    std::string_view name;
    bool open;
    const int64_t bytes = declared_bytes(alignment, name, open);
    int64_t& end = function_->entry ? function_->parameter_bytes : function_->frame_bytes;
    const int64_t at = up(end, alignment);
    end = at + bytes;
    to.push_back({at, bytes});
    symbols_.insert_or_assign(std::string(name), Symbol{static_cast<uint64_t>(at), !function_->entry, bytes});
  }
  token();
}

void FunctionParser::registers() {
  const Type type = type_of(token().substr(1));
  if (type.kind == 0) fail("a register's type expected");
  const int bytes = type.kind == 'p' ? 0 : type.bytes();
  do {
    if (peek() == ",") token();
    const std::string_view name = token();
    if (peek() == "<") {
      token();
      uint64_t count = 0;
      if (!immediate(token(), count)) fail("a count expected");
      expect(">");
      const uint32_t first = place(bytes);
      for (uint64_t k = 1; k < count; ++k) place(bytes);
      families_.insert_or_assign(std::string(name), Family{first, bytes, static_cast<int>(count)});
    } else {
      scopes_.back().insert_or_assign(std::string(name), Register{place(bytes), bytes});
    }
  } while (peek() == ",");
  expect(";");
}

void FunctionParser::declaration(std::string_view space) {
  int64_t alignment;
  std::string_view name;
  bool open;
  const int64_t bytes = declared_bytes(alignment, name, open);
  expect(";");
  int64_t& end = space == ".local"    ? function_->local_bytes
                 : space == ".shared" ? function_->shared_bytes
                                      : function_->frame_bytes;
  const int64_t at = up(end, alignment);
  end = at + bytes;
  symbols_.insert_or_assign(std::string(name), Symbol{static_cast<uint64_t>(at), space == ".param", bytes});
}

/// Gives room to those that the function names.
void FunctionParser::shared_of_module() {
  for (const auto& [name, declared] : module_.shared_) {
    if (text_.find(name) == std::string_view::npos) continue;
    const auto [text, at, line] = std::tuple(text_, at_, line_);
    text_ = declared;
    at_ = 0;
    declaration(".shared");
    text_ = text, at_ = at, line_ = line;
  }
}

void FunctionParser::statement(std::string_view first) {
  Instruction i;
  std::string_view opcode = first;
  if (first == "@") {
    std::string_view guard = token();
    if (guard == "!") {
      i.guard_negated = true;
      guard = token();
    }
    i.guard = predicate(guard);
    opcode = token();
  }
  i.line = line_;
  Statement s;
  for (size_t begin = 0; begin <= opcode.size();) {
    const size_t end = std::min(opcode.find('.', begin), opcode.size());
    s.opcode.push_back(opcode.substr(begin, end - begin));
    begin = end + 1;
  }
  // "mma.….row::col" and the like are not among words.
  while (peek() != ";") {
    if (peek() == ",") token();
    if (peek() == "|") {  // a second result
      token();
      s.operands.push_back(operand());
      continue;
    }
    s.operands.push_back(operand());
  }
  token();
  decode(s, i);
}

void FunctionParser::decode(const Statement& s, Instruction i) {
  const std::string_view op = s.opcode[0];
  if (op == "bra") {
    jumps_.push_back({function_->code.size(), std::string(s.operands.at(0).text)});
    i.handler = [](Warp& w, const Instruction& branch) { w.branch(w.mask, branch.target); };
  } else if (op == "ret" || op == "exit") {
    i.handler = [](Warp& w, const Instruction&) { w.leave(); };
  } else if (op == "call") {
    call(s, i);
    return;
  } else if (!decode_moves(s, *this, i) && !decode_bits(s, *this, i) && !decode_arithmetic(s, *this, i) &&
             !decode_conversion(s, *this, i) && !decode_memory(s, *this, i) && !decode_warp(s, *this, i)) {
    std::string whole;
    for (const std::string_view part : s.opcode) whole += (whole.empty() ? "" : ".") + std::string(part);
    fail("the interpreter does not know " + whole);
  }
  emit(i);
}

void FunctionParser::call(const Statement& s, Instruction i) {
  Call c;
  const auto frame = [&](const Operand& list, std::vector<Parameter>& to) {
    for (const std::string_view name : list.parts) {
      const auto found = symbols_.find(name);
      if (found == symbols_.end()) fail("the parameter '" + std::string(name) + "' is not known");
      to.push_back({static_cast<int64_t>(found->second.address), found->second.bytes});
    }
  };
  size_t at = 0;
  if (s.operands.at(0).kind == Operand::Kind::list) frame(s.operands[at++], c.results);
  c.callee = &module_.function(s.operands.at(at++).text);
  if (at < s.operands.size()) frame(s.operands[at], c.arguments);
  i.call = static_cast<int32_t>(function_->calls.size());
  function_->calls.push_back(c);
  i.handler = [](Warp& w, const Instruction& call) { w.call(call); };
  emit(i);
}

std::unique_ptr<Function> FunctionParser::parse() {
  if (!function_->entry && peek() == "(") parameters(function_->results);
  token();  // its name
  if (peek() == "(") parameters(function_->parameters);
  while (peek() != "{") {
    const std::string_view word = token();
    uint64_t value = 0;
    if (word == ".maxntid" && immediate(peek(), value)) function_->max_threads = static_cast<int>(value);
    if (word == ".maxntid")
      for (token(); peek() == ",";) {
        token();
        if (immediate(token(), value)) function_->max_threads *= static_cast<int>(value);
      }
  }
  token();
  shared_of_module();
  for (int depth = 1; depth > 0;) {
    if (at_end()) fail("it ends within a function");
    const std::string_view first = token();
    if (first == "{") {
      scopes_.emplace_back();
      ++depth;
    } else if (first == "}") {
      scopes_.pop_back();
      --depth;
    } else if (first == ";") {
      continue;
    } else if (first == ".reg") {
      registers();
    } else if (first == ".local" || first == ".shared" || first == ".param") {
      declaration(first);
    } else if (first == ".pragma" || first == ".loc") {
      until(first == ".loc" ? '\n' : ';');
    } else if (first.starts_with('$') || peek() == ":") {
      expect(":");
      labels_.insert_or_assign(std::string(first), static_cast<int32_t>(function_->code.size()));
    } else {
      statement(first);
    }
  }
  // What falls off the end returns.
  Instruction last;
  last.line = line_;
  last.handler = [](Warp& w, const Instruction&) { w.leave(); };
  emit(last);
  for (const Jump& jump : jumps_) {
    const auto found = labels_.find(jump.label);
    if (found == labels_.end()) fail("no label '" + jump.label + "'");
    function_->code[jump.instruction].target = found->second;
  }
  return std::move(function_);
}

}  // namespace tidemark::emulated
