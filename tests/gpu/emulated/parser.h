// One function's text to its instructions: places of registers, constants and symbols, and labels.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tests/gpu/emulated/module.h"
#include "tests/gpu/emulated/ptx.h"

namespace tidemark::emulated {

/// "f32" and the like: a kind ('u', 's', 'b', 'f', or 'p' of a predicate), and bits.
struct Type {
  char kind = 0;
  int bits = 0;
  int bytes() const { return bits / 8; }
};
/// Of kind 0 where it is none.
Type type_of(std::string_view text);

/// "%r1", "[%rd1+8]", "{%r1, %r2}", "0f3F800000".
struct Operand {
  enum class Kind { simple, address, vector, list } kind = Kind::simple;
  std::string_view text;                ///< of an address: what it starts from
  std::vector<std::string_view> parts;  ///< of a vector or a list
  int64_t offset = 0;
};

struct Statement {
  std::vector<std::string_view> opcode;  ///< at its dots
  std::vector<Operand> operands;
  bool has(std::string_view modifier) const;
  Type type(size_t from_last = 0) const;
};

class FunctionParser {
 public:
  FunctionParser(Module& module, std::string_view name, std::string_view text, bool entry, int line);
  std::unique_ptr<Function> parse();

  // For the decoders. All throw Fault.

  /// The place of a register, a constant, or a special register, of so many bytes.
  uint32_t read(std::string_view operand, int bytes);
  uint32_t read(const Operand& operand, int bytes) { return read(operand.text, bytes); }
  uint32_t write(std::string_view operand, int bytes);
  uint32_t write(const Operand& operand, int bytes) { return write(operand.text, bytes); }
  uint32_t predicate(std::string_view operand);
  int register_bytes(std::string_view operand) const;  ///< 0: it is none
  void address(const Operand& operand, Instruction& i);
  void emit(const Instruction& i) { function_->code.push_back(i); }
  [[noreturn]] void fail(const std::string& what) const;

 private:
  struct Register {
    uint32_t place;
    int bytes;  ///< 0: a predicate
  };
  struct Symbol {
    uint64_t address;
    bool frame = false;  ///< in the frame, not in a kernel's parameters
    int64_t bytes = 0;
  };
  struct Jump {
    size_t instruction;
    std::string label;
  };

  // The text.
  void skip();
  bool at_end();
  std::string_view token();
  std::string_view peek();
  void expect(std::string_view what);
  Operand operand();
  std::string_view until(char end);

  void parameters(std::vector<Parameter>& to);
  int64_t declared_bytes(int64_t& alignment, std::string_view& name, bool& open);
  void registers();
  void shared_of_module();
  void declaration(std::string_view space);
  void statement(std::string_view first);
  void decode(const Statement& s, Instruction i);
  void call(const Statement& s, Instruction i);
  uint32_t place(int bytes);
  uint32_t constant(uint64_t value, int bytes);

  Module& module_;
  std::unique_ptr<Function> function_;
  std::string_view text_;
  size_t at_ = 0;
  int line_;
  std::vector<std::map<std::string, Register, std::less<>>> scopes_;
  struct Family {
    uint32_t first;
    int bytes, count;
  };
  std::map<std::string, Family, std::less<>> families_;  ///< %r<85>
  std::map<std::string, Symbol, std::less<>> symbols_;
  std::map<std::string, int32_t, std::less<>> labels_;
  std::vector<Jump> jumps_;
  std::map<std::pair<uint64_t, int>, uint32_t> constants_;

  friend bool decode_memory(const Statement&, FunctionParser&, Instruction&);
};

// Each knows some opcodes, and completes the instruction; false where it does not know this one.
bool decode_moves(const Statement& s, FunctionParser& p, Instruction& i);
bool decode_bits(const Statement& s, FunctionParser& p, Instruction& i);
bool decode_arithmetic(const Statement& s, FunctionParser& p, Instruction& i);
bool decode_conversion(const Statement& s, FunctionParser& p, Instruction& i);
bool decode_memory(const Statement& s, FunctionParser& p, Instruction& i);
bool decode_warp(const Statement& s, FunctionParser& p, Instruction& i);

}  // namespace tidemark::emulated
