// Python pickles of plain data, protocols 2 to 5, read without ever running what they say to run.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/gzip.h"

namespace tidemark {

/// None, booleans, numbers, text, bytes, lists, tuples, sets and dicts. Everything that would look a name
/// up or call anything (GLOBAL, REDUCE, BUILD, …) is refused with its name and place.
class Pickle {
 public:
  enum class Type : uint8_t {
    none,
    boolean,
    integer,
    big_integer,
    real,
    text,
    bytes,
    list,
    tuple,
    set,
    dict,
    reduced
  };

  struct Value {
    Type type = Type::none;
    uint32_t index = 0;  ///< of text, bytes and big integers, or of a container
    union {
      int64_t integer = 0;  ///< also booleans, and what a reducer returned
      double real;
    };
    /// The same bits: of numbers, zeros of both signs differ.
    friend bool operator==(const Value& a, const Value& b) {
      return a.type == b.type && a.index == b.index && a.integer == b.integer;
    }
  };

  /// Asked about every container when it is put into a list or a dict; it may keep a number in its place,
  /// and what was in it is given back. `into` tells lists apart; they keep no item that becomes kDropped.
  /// That is how files of gigabytes fit.
  using Reducer = std::function<std::optional<int64_t>(const Pickle&, uint32_t into, Value item)>;
  static constexpr int64_t kDropped = INT64_MIN;

  /// Reads to the pickle's STOP. Throws Error (`what` says what was being done) where the file is not a
  /// pickle, is cut off, holds anything but data, or nests its stack wrongly.
  Pickle(const std::string& path, const std::string& what, Reducer reducer = {});

  Value root() const { return root_; }
  /// Of text and bytes; of a big integer its bytes, little-endian two's complement.
  std::string_view text(Value v) const { return strings_[v.index]; }
  /// Of a list, tuple or set; of a dict keys and values in turn. None of what a reducer has read.
  std::span<const Value> items(Value v) const {
    return v.type == Type::reduced ? std::span<const Value>() : containers_[v.index].items;
  }
  /// None where `dict` is no dict or has no such key.
  Value find(Value dict, std::string_view key) const;
  /// The integer under a key; `absent` where there is none.
  int64_t integer(Value dict, std::string_view key, int64_t absent) const;
  /// The text under a key; empty where there is none.
  std::string_view text(Value dict, std::string_view key) const;

 private:
  friend class PickleMachine;

  struct Container {
    std::vector<Value> items;
    Type type = Type::list;
    bool is_reduced = false;
    bool has_others = false;   ///< values besides the one on the stack, or in what took it from there
    uint32_t memo = kNowhere;  ///< where the memo has it
    int64_t kept = 0;          ///< if it is reduced
  };
  static constexpr uint32_t kNowhere = UINT32_MAX;

  Value root_;
  std::deque<std::string> strings_;
  std::deque<Container> containers_;
};

}  // namespace tidemark
