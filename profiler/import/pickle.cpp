#include "profiler/import/pickle.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>

#include "base/error.h"

namespace tidemark {
namespace {

/// Names as in Python's pickletools.
enum Opcode : uint8_t {
  kMark = '(',
  kStop = '.',
  kPop = '0',
  kPopMark = '1',
  kDup = '2',
  kNone = 'N',
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kLong1 = 0x8a,
  kLong4 = 0x8b,
  kBinFloat = 'G',
  kBinUnicode = 'X',
  kShortBinUnicode = 0x8c,
  kBinUnicode8 = 0x8d,
  kBinString = 'T',
  kShortBinString = 'U',
  kBinBytes = 'B',
  kShortBinBytes = 'C',
  kBinBytes8 = 0x8e,
  kByteArray8 = 0x96,
  kEmptyList = ']',
  kAppend = 'a',
  kAppends = 'e',
  kList = 'l',
  kEmptyTuple = ')',
  kTuple = 't',
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kEmptyDict = '}',
  kDict = 'd',
  kSetItem = 's',
  kSetItems = 'u',
  kEmptySet = 0x8f,
  kAddItems = 0x90,
  kFrozenSet = 0x91,
  kBinGet = 'h',
  kLongBinGet = 'j',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kMemoize = 0x94,
  kProto = 0x80,
  kFrame = 0x95,
};

/// What would run code or needs what the file does not hold, and the text forms of protocols 0 and 1.
std::string refused_name(uint8_t opcode) {
  static const std::map<uint8_t, std::string> kNames = {
      {'c', "GLOBAL"},    {0x93, "STACK_GLOBAL"}, {'R', "REDUCE"},
      {'b', "BUILD"},     {'i', "INST"},          {'o', "OBJ"},
      {0x81, "NEWOBJ"},   {0x92, "NEWOBJ_EX"},    {0x82, "EXT1"},
      {0x83, "EXT2"},     {0x84, "EXT4"},         {'P', "PERSID"},
      {'Q', "BINPERSID"}, {0x97, "NEXT_BUFFER"},  {0x98, "READONLY_BUFFER"},
      {'I', "INT"},       {'L', "LONG"},          {'F', "FLOAT"},
      {'S', "STRING"},    {'V', "UNICODE"},       {'g', "GET"},
      {'p', "PUT"}};
  const auto it = kNames.find(opcode);
  return it == kNames.end() ? std::string() : it->second;
}

}  // namespace

/// The stack machine that a pickle is a program for.
class PickleMachine {
 public:
  using Value = Pickle::Value;
  using Type = Pickle::Type;

  PickleMachine(Pickle& out, const std::string& path, const std::string& what, const Pickle::Reducer& reducer)
      : out_(out), path_(path), what_(what), reducer_(reducer), file_(path, what), buffer_(1 << 20) {}

  void run() {
    if (read<uint8_t>() != kProto) fail("it does not begin as a pickle of protocol 2 or later does");
    if (const auto protocol = read<uint8_t>(); protocol < 2 || protocol > 5)
      fail("it is of protocol " + std::to_string(protocol) + ", this program reads 2 to 5");
    while (step()) {
    }
    if (stack_.size() != 1) fail("its end leaves " + std::to_string(stack_.size()) + " values");
    out_.root_ = stack_.front();
  }

 private:
  [[noreturn]] void fail(const std::string& why) const {
    throw Error(what_, path_ + ", byte " + std::to_string(opcode_at_), why,
                "give a file that torch.cuda.memory._dump_snapshot wrote");
  }

  // --- the file
  void fill() {
    consumed_ += size_;
    at_ = 0;
    size_ = file_.read(std::as_writable_bytes(std::span(buffer_)));
    if (size_ == 0) fail("it is cut off");
  }
  void read_bytes(char* to, size_t count) {
    while (count > 0) {
      if (at_ == size_) fill();
      const size_t piece = std::min(count, size_ - at_);
      std::memcpy(to, buffer_.data() + at_, piece);
      at_ += piece, to += piece, count -= piece;
    }
  }
  /// Little-endian, as every machine that Tidemark runs on.
  template <typename T>
  T read() {
    T value;
    read_bytes(reinterpret_cast<char*>(&value), sizeof value);
    return value;
  }
  /// No more memory than the file has bytes, whatever length it claims.
  std::string read_string(uint64_t length) {
    std::string text;
    while (text.size() < length) {
      const size_t had = text.size(), piece = std::min<uint64_t>(length - had, 1 << 20);
      text.resize(had + piece);
      read_bytes(text.data() + had, piece);
    }
    return text;
  }

  // --- values
  void push(Value v) { stack_.push_back(v); }
  void push(Type type, int64_t integer) { push({.type = type, .index = 0, .integer = integer}); }
  void push_string(Type type, std::string text) {
    push({.type = type, .index = intern(std::move(text)), .integer = 0});
  }
  uint32_t intern(std::string text) {
    if (const auto it = interned_.find(text); it != interned_.end()) return it->second;
    const auto index = next_index(out_.strings_.size());
    out_.strings_.push_back(std::move(text));
    interned_.emplace(out_.strings_.back(), index);
    return index;
  }
  uint32_t next_index(size_t size) const {
    if (size >= UINT32_MAX) fail("it has too many values");
    return static_cast<uint32_t>(size);
  }
  void push_container(Type type, std::vector<Value> items) {
    const uint32_t index = next_index(out_.containers_.size());
    out_.containers_.push_back({std::make_unique<std::vector<Value>>(std::move(items)), 0});
    push({.type = type, .index = index, .integer = 0});
  }
  void push_integer(uint64_t length) {
    std::string digits = read_string(length);
    if (digits.size() > sizeof(int64_t)) {
      push_string(Type::big_integer, std::move(digits));
      return;
    }
    uint64_t value = 0;
    std::memcpy(&value, digits.data(), digits.size());
    const auto unused = static_cast<int>(64 - 8 * digits.size());
    // Extends the sign.
    push(Type::integer, digits.empty() ? 0 : static_cast<int64_t>(value << unused) >> unused);
  }

  Value pop() {
    if (stack_.size() <= floor()) fail("it takes a value where there is none");
    const Value v = stack_.back();
    stack_.pop_back();
    return v;
  }
  size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  /// What was pushed since the last mark, which goes.
  std::vector<Value> pop_mark() {
    if (marks_.empty()) fail("it takes a mark where there is none");
    const auto from = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<Value> items(from, stack_.end());
    stack_.erase(from, stack_.end());
    marks_.pop_back();
    return items;
  }
  std::vector<Value> pop_many(size_t count) {
    std::vector<Value> items(count);
    for (size_t i = count; i-- > 0;) items[i] = pop();
    return items;
  }

  std::vector<Value>& top(Type type, const char* kind) {
    if (stack_.size() <= floor() || stack_.back().type != type)
      fail(std::string("it adds to what is no ") + kind);
    const auto& items = out_.containers_[stack_.back().index].items;
    if (!items) fail("it adds to an item that was read already");
    return *items;
  }
  void append(const std::vector<Value>& items) {
    std::vector<Value>& list = top(Type::list, "list");
    const uint32_t index = stack_.back().index;
    for (const Value& item : items) list.push_back(reduced(index, item));
  }
  void set_items(const std::vector<Value>& items) {
    std::vector<Value>& dict = top(Type::dict, "dict");
    const uint32_t index = stack_.back().index;
    if (items.size() % 2 != 0) fail("it sets a key without a value");
    for (size_t i = 0; i < items.size(); i += 2) {
      dict.push_back(items[i]);
      dict.push_back(reduced(index, items[i + 1]));
    }
  }
  Value reduced(uint32_t into, Value item) {
    if (item.type < Type::list || item.type == Type::reduced) return item;
    Pickle::Container& c = out_.containers_[item.index];
    if (c.items && item.index != into && reducer_)
      if (const auto kept = reducer_(out_, into, item)) c = {nullptr, *kept};
    return c.items ? item : Value{.type = Type::reduced, .index = item.index, .integer = c.kept};
  }
  void add_items(const std::vector<Value>& items) {
    std::vector<Value>& set = top(Type::set, "set");
    set.insert(set.end(), items.begin(), items.end());
  }

  // --- the memo
  void put(uint64_t index) {
    if (stack_.size() <= floor()) fail("it keeps a value where there is none");
    // Each entry costs its pickle a byte at least.
    if (index > consumed_ + at_) fail("it keeps a value in a place that cannot be");
    if (index >= memo_.size()) memo_.resize(index + 1, {.type = Type::none, .index = kUnset, .integer = 0});
    memo_[index] = stack_.back();
    ++kept_;
  }
  void get(uint64_t index) {
    const bool known =
        index < memo_.size() && !(memo_[index].type == Type::none && memo_[index].index == kUnset);
    if (!known) fail("it takes a value that it never kept");
    push(memo_[index]);
  }

  bool step();
  bool step_container(uint8_t opcode);

  static constexpr uint32_t kUnset = UINT32_MAX;

  Pickle& out_;
  const std::string &path_, &what_;
  const Pickle::Reducer& reducer_;
  GzipReader file_;
  std::vector<char> buffer_;
  size_t at_ = 0, size_ = 0;
  uint64_t consumed_ = 0;  ///< bytes before the buffer
  uint64_t opcode_at_ = 0;
  std::vector<Value> stack_;
  std::vector<size_t> marks_;  ///< heights of the stack
  std::vector<Value> memo_;
  uint64_t kept_ = 0;  ///< times that a value was kept: the next place of MEMOIZE
  std::unordered_map<std::string_view, uint32_t> interned_;
};

/// Returns whether it goes on.
bool PickleMachine::step() {
  opcode_at_ = consumed_ + at_;
  const auto opcode = read<uint8_t>();
  switch (opcode) {
    case kStop: return false;
    case kProto: fail("it has a second beginning");
    case kFrame: read<uint64_t>(); break;  // only says how much could be read at once
    case kNone: push({}); break;
    case kNewTrue: push(Type::boolean, 1); break;
    case kNewFalse: push(Type::boolean, 0); break;
    case kBinInt: push(Type::integer, read<int32_t>()); break;
    case kBinInt1: push(Type::integer, read<uint8_t>()); break;
    case kBinInt2: push(Type::integer, read<uint16_t>()); break;
    case kLong1: push_integer(read<uint8_t>()); break;
    case kLong4: push_integer(read<uint32_t>()); break;
    case kBinFloat: {
      uint64_t bits = 0;  // the one big-endian number of the format
      for (int i = 0; i < 8; ++i) bits = bits << 8 | read<uint8_t>();
      push({.type = Type::real, .index = 0, .real = std::bit_cast<double>(bits)});
      break;
    }
    case kShortBinUnicode:
    case kShortBinString: push_string(Type::text, read_string(read<uint8_t>())); break;
    case kBinUnicode:
    case kBinString: push_string(Type::text, read_string(read<uint32_t>())); break;
    case kBinUnicode8: push_string(Type::text, read_string(read<uint64_t>())); break;
    case kShortBinBytes: push_string(Type::bytes, read_string(read<uint8_t>())); break;
    case kBinBytes: push_string(Type::bytes, read_string(read<uint32_t>())); break;
    case kBinBytes8:
    case kByteArray8: push_string(Type::bytes, read_string(read<uint64_t>())); break;
    case kMark: marks_.push_back(stack_.size()); break;
    case kPop:
      if (!marks_.empty() && stack_.size() == marks_.back())
        marks_.pop_back();
      else
        pop();
      break;
    case kPopMark: pop_mark(); break;
    case kDup: {
      const Value v = pop();
      push(v);
      push(v);
      break;
    }
    case kBinGet: get(read<uint8_t>()); break;
    case kLongBinGet: get(read<uint32_t>()); break;
    case kBinPut: put(read<uint8_t>()); break;
    case kLongBinPut: put(read<uint32_t>()); break;
    case kMemoize: put(kept_); break;
    default:
      if (step_container(opcode)) break;
      if (const std::string name = refused_name(opcode); !name.empty())
        fail(name + " is refused: only data is read, in the forms of protocol 2 and later");
      fail("opcode " + std::to_string(opcode) + " is unknown");
  }
  return true;
}

/// Returns whether `opcode` is one of containers.
bool PickleMachine::step_container(uint8_t opcode) {
  switch (opcode) {
    case kEmptyList: push_container(Type::list, {}); break;
    case kEmptyTuple: push_container(Type::tuple, {}); break;
    case kEmptyDict: push_container(Type::dict, {}); break;
    case kEmptySet: push_container(Type::set, {}); break;
    case kList: {
      const std::vector<Value> items = pop_mark();
      push_container(Type::list, {});
      append(items);
      break;
    }
    case kDict: {
      const std::vector<Value> items = pop_mark();
      push_container(Type::dict, {});
      set_items(items);
      break;
    }
    case kTuple: push_container(Type::tuple, pop_mark()); break;
    case kFrozenSet: push_container(Type::set, pop_mark()); break;
    case kTuple1: push_container(Type::tuple, pop_many(1)); break;
    case kTuple2: push_container(Type::tuple, pop_many(2)); break;
    case kTuple3: push_container(Type::tuple, pop_many(3)); break;
    case kAppend: append(pop_many(1)); break;
    case kAppends: append(pop_mark()); break;
    case kSetItem: set_items(pop_many(2)); break;
    case kSetItems: set_items(pop_mark()); break;
    case kAddItems: add_items(pop_mark()); break;
    default: return false;
  }
  return true;
}

Pickle::Pickle(const std::string& path, const std::string& what, Reducer reducer) {
  PickleMachine(*this, path, what, reducer).run();
}

Pickle::Value Pickle::find(Value dict, std::string_view key) const {
  if (dict.type != Type::dict) return {};
  const std::span<const Value> all = items(dict);
  for (size_t i = all.size(); i >= 2; i -= 2)  // the last of several counts
    if (all[i - 2].type == Type::text && text(all[i - 2]) == key) return all[i - 1];
  return {};
}

int64_t Pickle::integer(Value dict, std::string_view key, int64_t absent) const {
  const Value v = find(dict, key);
  return v.type == Type::integer || v.type == Type::boolean ? v.integer : absent;
}

std::string_view Pickle::text(Value dict, std::string_view key) const {
  const Value v = find(dict, key);
  return v.type == Type::text ? text(v) : std::string_view();
}

}  // namespace tidemark
