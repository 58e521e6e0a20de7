#include "profiler/import/pickle.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>
#include <utility>

#include "base/error.h"
#include "base/numbering.h"

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
      : out_(out), path_(path), what_(what), reducer_(reducer), file_(path, what), buffer_(1 << 18) {}

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
    if (size_ - at_ >= sizeof value) {
      std::memcpy(&value, buffer_.data() + at_, sizeof value);
      at_ += sizeof value;
    } else {
      read_bytes(reinterpret_cast<char*>(&value), sizeof value);
    }
    return value;
  }
  /// Valid until the next one is read. No more memory than the file has bytes, whatever length it claims.
  std::string_view read_string(uint64_t length) {
    if (length <= size_ - at_) return {buffer_.data() + std::exchange(at_, at_ + length), length};
    long_string_.clear();
    while (long_string_.size() < length) {
      const size_t had = long_string_.size(), piece = std::min<uint64_t>(length - had, 1 << 20);
      long_string_.resize(had + piece);
      read_bytes(long_string_.data() + had, piece);
    }
    return long_string_;
  }

  // --- values
  void push(Value v) { stack_.push_back(v); }
  void push(Type type, int64_t integer) { push({.type = type, .index = 0, .integer = integer}); }
  void push_string(Type type, std::string_view text) {
    push({.type = type, .index = intern(text), .integer = 0});
  }
  uint32_t intern(std::string_view text) {
    if (const auto it = interned_.find(text); it != interned_.end()) return it->second;
    const uint32_t index = next_index(out_.strings_.size());
    out_.strings_.emplace_back(text);
    interned_.emplace(out_.strings_.back(), index);
    return index;
  }
  uint32_t next_index(size_t size) const {
    if (size >= kContainer) fail("it has too many values");
    return static_cast<uint32_t>(size);
  }
  void push_integer(uint64_t length) {
    const std::string_view digits = read_string(length);
    if (digits.size() > sizeof(int64_t)) {
      push_string(Type::big_integer, digits);
      return;
    }
    uint64_t value = 0;
    std::memcpy(&value, digits.data(), digits.size());
    const auto unused = static_cast<int>(64 - 8 * digits.size());
    // Extends the sign.
    push(Type::integer, digits.empty() ? 0 : static_cast<int64_t>(value << unused) >> unused);
  }

  // --- the stack
  size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  /// Where the topmost `count` values begin.
  size_t find_many(size_t count) const {
    if (stack_.size() < floor() + count) fail("it takes a value where there is none");
    return stack_.size() - count;
  }
  /// Where what was pushed since the last mark begins; the mark goes.
  size_t find_mark() {
    if (marks_.empty()) fail("it takes a mark where there is none");
    const size_t from = marks_.back();
    marks_.pop_back();
    return from;
  }

  // --- containers
  static bool is_container(Value v) { return v.type >= Type::list && v.type != Type::reduced; }
  Pickle::Container& container(Value v) { return out_.containers_[v.index]; }

  Value new_container(Type type) {
    uint32_t index = 0;
    if (free_.empty()) {
      index = next_index(out_.containers_.size());
      out_.containers_.emplace_back();
    } else {
      index = free_.back();
      free_.pop_back();
    }
    out_.containers_[index].type = type;
    return {.type = type, .index = index, .integer = 0};
  }
  void add(Value to, size_t from) {
    if (to.type == Type::list)
      append(to, from);
    else if (to.type == Type::dict)
      set_items(to, from);
    else
      add_items(to, from);
    stack_.resize(from);
  }
  /// The values from `from` on become one.
  void collect(Type type, size_t from) {
    const Value made = new_container(type);
    add(made, from);
    push(made);
  }
  /// They go into the one below.
  void add_to(Type type, size_t from) {
    if (from <= floor() || stack_[from - 1].type != type)
      fail("it adds to what is no " + std::string(type == Type::list   ? "list"
                                                  : type == Type::dict ? "dict"
                                                                       : "set"));
    if (container(stack_[from - 1]).is_reduced) fail("it adds to an item that was read already");
    add(stack_[from - 1], from);
  }
  void append(Value list, size_t from) {
    std::vector<Value>& items = container(list).items;
    for (size_t i = from; i < stack_.size(); ++i)
      if (const Value item = reduced(list, stack_[i]); !is_dropped(item)) items.push_back(item);
  }
  void set_items(Value dict, size_t from) {
    std::vector<Value>& items = container(dict).items;
    if ((stack_.size() - from) % 2 != 0) fail("it sets a key without a value");
    for (size_t i = from; i < stack_.size(); i += 2) {
      share(stack_[i]);
      items.push_back(stack_[i]);
      items.push_back(reduced(dict, stack_[i + 1]));
    }
  }
  /// Of tuples and sets.
  void add_items(Value to, size_t from) {
    std::vector<Value>& items = container(to).items;
    for (size_t i = from; i < stack_.size(); ++i) {
      share(stack_[i]);
      items.push_back(stack_[i]);
    }
  }
  static bool is_dropped(Value v) { return v.type == Type::reduced && v.integer == Pickle::kDropped; }
  void share(Value v) {
    if (is_container(v)) container(v).has_others = true;
  }

  /// What a list or a dict keeps of an item.
  Value reduced(Value into, Value item) {
    if (!is_container(item)) return item;
    Pickle::Container& c = container(item);
    if (!c.is_reduced) {
      const auto kept =
          reducer_ && item.index != into.index ? reducer_(out_, into.index, item) : std::nullopt;
      if (!kept) {
        c.has_others = true;
        return item;
      }
      c.is_reduced = true;
      c.kept = *kept;
    }
    const Value number{.type = Type::reduced, .index = 0, .integer = c.kept};
    if (c.memo != Pickle::kNowhere && memo_[c.memo] == (kContainer | item.index))
      memo_[c.memo] = number_of(number);
    c.memo = Pickle::kNowhere;
    c.items.clear();
    if (constexpr size_t kSmall = 1 << 10; c.items.capacity() > kSmall) c.items.shrink_to_fit();
    if (!c.has_others) {  // nobody can ask for it any more
      c.is_reduced = false;
      free_.push_back(item.index);
    }
    return number;
  }

  // --- the memo
  void put(uint64_t index) {
    const Value v = stack_[find_many(1)];
    // Each entry costs its pickle a byte at least.
    if (index > consumed_ + at_) fail("it keeps a value in a place that cannot be");
    if (index >= memo_.size()) memo_.resize(index + 1, kUnset);
    ++kept_;
    if (!is_container(v)) {
      memo_[index] = number_of(v);
      return;
    }
    Pickle::Container& c = container(v);
    c.has_others |= c.memo != Pickle::kNowhere || index >= Pickle::kNowhere;
    c.memo = static_cast<uint32_t>(index);
    memo_[index] = kContainer | v.index;
  }
  void get(uint64_t index) {
    if (index >= memo_.size() || memo_[index] == kUnset) fail("it takes a value that it never kept");
    const uint32_t kept = memo_[index];
    if ((kept & kContainer) == 0) {
      push(others_[kept]);
      return;
    }
    const uint32_t at = kept & ~kContainer;
    Pickle::Container& c = out_.containers_[at];
    c.has_others = true;
    push({.type = c.type, .index = at, .integer = 0});
  }
  /// Of values that are no containers; those of big pickles are few, but kept millions of times.
  uint32_t number_of(Value v) { return next_index(others_.of(v)); }

  bool step();
  bool step_container(uint8_t opcode);

  /// What the memo has: a container by its index, or the number of another value.
  static constexpr uint32_t kContainer = uint32_t{1} << 31, kUnset = UINT32_MAX;

  struct Hash {
    size_t operator()(const Value& v) const {
      const uint64_t mixed = (static_cast<uint64_t>(v.type) << 56) ^ (uint64_t{v.index} << 20) ^
                             static_cast<uint64_t>(v.integer);
      return mixed * 0x9e3779b97f4a7c15u;
    }
  };

  Pickle& out_;
  const std::string &path_, &what_;
  const Pickle::Reducer& reducer_;
  GzipReader file_;
  std::vector<char> buffer_;
  std::string long_string_;
  size_t at_ = 0, size_ = 0;
  uint64_t consumed_ = 0;  ///< bytes before the buffer
  uint64_t opcode_at_ = 0;
  std::vector<Value> stack_;
  std::vector<size_t> marks_;  ///< heights of the stack
  std::vector<uint32_t> memo_;
  uint64_t kept_ = 0;  ///< times that a value was kept: the next place of MEMOIZE
  Numbering<Value, Hash> others_;
  std::vector<uint32_t> free_;  ///< containers
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
        stack_.resize(find_many(1));
      break;
    case kPopMark: stack_.resize(find_mark()); break;
    case kDup: {
      const Value v = stack_[find_many(1)];
      share(v);
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
    case kEmptyList: push(new_container(Type::list)); break;
    case kEmptyTuple: push(new_container(Type::tuple)); break;
    case kEmptyDict: push(new_container(Type::dict)); break;
    case kEmptySet: push(new_container(Type::set)); break;
    case kList: collect(Type::list, find_mark()); break;
    case kDict: collect(Type::dict, find_mark()); break;
    case kTuple: collect(Type::tuple, find_mark()); break;
    case kFrozenSet: collect(Type::set, find_mark()); break;
    case kTuple1: collect(Type::tuple, find_many(1)); break;
    case kTuple2: collect(Type::tuple, find_many(2)); break;
    case kTuple3: collect(Type::tuple, find_many(3)); break;
    case kAppend: add_to(Type::list, find_many(1)); break;
    case kAppends: add_to(Type::list, find_mark()); break;
    case kSetItem: add_to(Type::dict, find_many(2)); break;
    case kSetItems: add_to(Type::dict, find_mark()); break;
    case kAddItems: add_to(Type::set, find_mark()); break;
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
