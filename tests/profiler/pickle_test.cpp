// Pickles that Python wrote against what it says they hold; what would run code; nonsense.
#include "profiler/import/pickle.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <random>

#include "base/error.h"
#include "base/json_file.h"
#include "tests/scratch.h"

namespace tidemark {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::string data(const std::string& name) {
  return std::string(TIDEMARK_TEST_DATA) + "/imports/" + name;
}

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned char>(c));
    text += digits;
  }
  return text;
}

double from_hex(const std::string& text) {
  return std::strtod(text.c_str(), nullptr);
}

/// As write_pickles.py says it, but for reals, which it writes as texts.
json as_json(const Pickle& p, Pickle::Value v, int depth = 0) {
  using Type = Pickle::Type;
  if (depth > 100) return "...";  // a list may hold itself
  json list = json::array();
  switch (v.type) {
    case Type::none: return nullptr;
    case Type::boolean: return v.integer != 0;
    case Type::integer: return v.integer;
    case Type::big_integer: return {{"int", hex(p.text(v))}};
    case Type::real: return {{"float", v.real}};
    case Type::text: return p.text(v);
    case Type::reduced: return v.integer;
    case Type::bytes: return {{"bytes", hex(p.text(v))}};
    case Type::dict:
      for (size_t i = 0; i < p.items(v).size(); i += 2)
        list.push_back({as_json(p, p.items(v)[i], depth + 1), as_json(p, p.items(v)[i + 1], depth + 1)});
      return {{"dict", list}};
    default:
      for (const Pickle::Value& item : p.items(v)) list.push_back(as_json(p, item, depth + 1));
      return v.type == Type::tuple ? json{{"tuple", list}} : list;
  }
}

json with_reals(json j) {
  if (j.is_object() && j.contains("float")) return {{"float", from_hex(j["float"])}};
  if (j.is_structured())
    for (json& item : j) item = with_reals(item);
  return j;
}

class PickleTest : public ScratchTest {
 protected:
  Pickle read(const std::string& bytes) const { return Pickle(write("x.pickle", bytes), "cannot read"); }
  std::string refused(const std::string& bytes) const {
    return message_of<Error>([&] { read(bytes); });
  }
};

TEST_F(PickleTest, ReadsWhatPythonWroteAtEachProtocol) {
  const json all = with_reals(read_json(data("pickles.json"), "cannot read"));
  for (int protocol = 2; protocol <= 5; ++protocol) {
    json expected = all;
    json& pairs = expected["dict"];
    ASSERT_EQ(pairs.back()[0], "bytes");
    if (protocol < 5) pairs.back()[1].erase(3);  // bytearray has a form of its own only there
    if (protocol < 3) pairs.erase(pairs.size() - 1);
    const Pickle p(data("data.p" + std::to_string(protocol) + ".pickle"), "cannot read");
    const json read = as_json(p, p.root());
    ASSERT_EQ(read["dict"].size(), pairs.size()) << protocol;
    for (size_t i = 0; i < pairs.size(); ++i) EXPECT_EQ(read["dict"][i], pairs[i]) << protocol;
  }
}

TEST_F(PickleTest, NeverLooksANameUp) {
  // Each of these runs a command when Python loads it.
  EXPECT_THAT(refused(std::string("\x80\x02") + "cos\nsystem\nX\x04\0\0\0trueq\1\x85R."),
              AllOf(HasSubstr("GLOBAL is refused"), HasSubstr("byte 2")));
  EXPECT_THAT(refused(std::string("\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.")),
              AllOf(HasSubstr("STACK_GLOBAL is refused"), HasSubstr("byte 14")));
  EXPECT_THAT(refused("\x80\x02(ios\nsystem\n."), HasSubstr("INST is refused"));
  for (const auto& [code, name] : std::map<std::string, std::string>{{"R", "REDUCE"},
                                                                     {"b", "BUILD"},
                                                                     {"o", "OBJ"},
                                                                     {"\x81", "NEWOBJ"},
                                                                     {"\x92", "NEWOBJ_EX"},
                                                                     {"\x82", "EXT1"},
                                                                     {"P", "PERSID"},
                                                                     {"Q", "BINPERSID"},
                                                                     {"\x97", "NEXT_BUFFER"},
                                                                     {"I", "INT"}})
    EXPECT_THAT(refused("\x80\x02N" + code + "."),
                AllOf(HasSubstr(name + " is refused"), HasSubstr("byte 3")));
}

TEST_F(PickleTest, WhatIsNoPickleIsRefused) {
  EXPECT_THAT(refused(""), HasSubstr("cut off"));
  EXPECT_THAT(refused("{}"), HasSubstr("does not begin"));
  EXPECT_THAT(refused("\x80\x06N."), HasSubstr("protocol 6"));
  EXPECT_THAT(refused("\x80\x02."), HasSubstr("0 values"));
  EXPECT_THAT(refused("\x80\x02NN."), HasSubstr("2 values"));
  EXPECT_THAT(refused("\x80\x02N"), HasSubstr("cut off"));
  EXPECT_THAT(refused("\x80\x02\xff."), HasSubstr("opcode 255"));
  EXPECT_THAT(refused("\x80\x02h\x05."), HasSubstr("never kept"));
  EXPECT_THAT(refused("\x80\x02N(0a."), HasSubstr("no list"));
  EXPECT_THAT(refused("\x80\x02Na."), HasSubstr("no list"));
  EXPECT_THAT(refused("\x80\x02"
                      "a."),
              HasSubstr("there is none"));
  EXPECT_THAT(refused("\x80\x02NNa."), HasSubstr("no list"));
  EXPECT_THAT(refused("\x80\x02}(Nu."), HasSubstr("without a value"));
  EXPECT_THAT(refused("\x80\x02t."), HasSubstr("mark"));
  EXPECT_THAT(refused(std::string("\x80\x02Nr\xff\xff\xff\xff.", 9)), HasSubstr("cannot be"));
  // Lengths that the file does not have take no memory.
  EXPECT_THAT(refused(std::string("\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7f"
                                  "abc",
                                  14)),
              HasSubstr("cut off"));
}

TEST_F(PickleTest, KeepsANumberWhereAskedTo) {
  // {"a": [[1], [2]], "b": the first of them again}
  const std::string file =
      write("x.pickle", std::string("\x80\x02}(X\1\0\0\0a](]q\1K\1a]K\2aeX\1\0\0\0bh\1u.", 33));
  const Pickle p(file, "cannot read",
                 [](const Pickle& q, uint32_t, Pickle::Value v) -> std::optional<int64_t> {
                   if (q.items(v).empty() || q.items(v)[0].type != Pickle::Type::integer) return {};
                   return 100 + q.items(v)[0].integer;
                 });
  const Pickle::Value a = p.find(p.root(), "a");
  ASSERT_EQ(p.items(a).size(), 2u);
  EXPECT_EQ(p.items(a)[0].type, Pickle::Type::reduced);
  EXPECT_EQ(p.items(a)[0].integer, 101);
  EXPECT_EQ(p.items(a)[1].integer, 102);
  EXPECT_EQ(p.find(p.root(), "b").integer, 101);
}

std::optional<int64_t> first_integer(const Pickle& p, uint32_t, Pickle::Value v) {
  if (p.items(v).empty() || p.items(v)[0].type != Pickle::Type::integer) return {};
  return p.items(v)[0].integer;
}

TEST_F(PickleTest, WhatIsReadIsKnownWhereverItComesAgain) {
  const auto value_of = [&](const std::string& code) {
    const Pickle p(write("x.pickle", "\x80\x02" + code + "."), "cannot read", first_integer);
    json list = json::array();
    for (const Pickle::Value& v : p.items(p.root())) list.push_back(as_json(p, v));
    return list;
  };
  const auto list = [](char n, char place) { return std::string("]q") + place + "K" + n + "a"; };
  const auto get = [](char place) { return std::string("h") + place; };
  // Each of them takes the place of the one before, which was read.
  EXPECT_EQ(value_of("]" + list(1, 1) + "a" + list(2, 2) + "a" + list(3, 3) + "a" + get(1) + "a" + get(2) +
                     "a" + get(3) + "a"),
            json({1, 2, 3, 1, 2, 3}));
  EXPECT_EQ(
      value_of("](" + list(1, 1) + get(1) + list(2, 2) + "e" + list(3, 3) + "a(" + get(1) + get(3) + "e"),
      json({1, 1, 2, 3, 1, 3}));
  EXPECT_EQ(value_of("](" + list(1, 1) + "2" + list(2, 2) + "e" + list(3, 3) + "a" + get(2) + "a"),
            json({1, 1, 2, 3, 2}));
  // Kept twice, or where another one was kept.
  EXPECT_EQ(value_of("]" + list(1, 1) + std::string("q\2a") + list(3, 3) + "a" + get(1) + "a" + get(2) + "a"),
            json({1, 3, 1, 1}));
  EXPECT_EQ(value_of("](" + list(1, 1) + list(2, 1) + "e" + list(3, 3) + "a" + get(1) + "a" + get(3) + "a"),
            json({1, 2, 3, 2, 3}));
  // A tuple that has it still has it, but not what was in it.
  EXPECT_EQ(value_of("](" + list(1, 1) + get(1) + std::string("\x85") + "e" + list(3, 3) + "a"),
            json({1, {{"tuple", {json::array()}}}, 3}));
  EXPECT_THAT(message_of<Error>([&] { value_of(list(1, 1) + "]" + get(1) + "a0K\1a"); }),
              HasSubstr("read already"));
}

TEST_F(PickleTest, KeepsNoneOfWhatIsDropped) {
  std::string code = "\x80\x04]\x94(";
  constexpr int kMany = 20'000;
  for (int i = 0; i < kMany; ++i) code += std::string("]\x94K\1a}\x94K\5K\2s") + (i % 999 == 0 ? "e(" : "");
  uint32_t most = 0;
  int asked = 0;
  const Pickle p(write("x.pickle", code + "e."), "cannot read",
                 [&](const Pickle&, uint32_t into, Pickle::Value v) -> std::optional<int64_t> {
                   EXPECT_EQ(into, 0u);
                   most = std::max(most, v.index);
                   return ++asked % 2 == 0 ? Pickle::kDropped : 7;
                 });
  EXPECT_EQ(asked, 2 * kMany);
  EXPECT_EQ(p.items(p.root()).size(), size_t{kMany});
  EXPECT_LT(most, 3000u);  // as many as lie on the stack, however many there are
}

/// It is read in pieces of 256 KiB: none of its values knows where one ends.
TEST_F(PickleTest, ReadsAcrossPieces) {
  std::string some;
  for (int k = 0; k < 40; ++k)
    some += "J\xff\xff\xff\x7fG\x3f\xf8" + std::string(6, '\0') + "\x8c\x05hello\x8a\x03\xff\xff\xff";
  for (size_t padding = 0; padding < 30; ++padding) {
    const std::string text((1 << 20) - 400 + padding, 'x');
    std::string code = "\x80\x04](B";
    const auto length = static_cast<uint32_t>(text.size());
    code.append(reinterpret_cast<const char*>(&length), sizeof length);
    const Pickle p = read(code + text + some + "e.");
    const std::span<const Pickle::Value> items = p.items(p.root());
    ASSERT_EQ(items.size(), 161u);
    EXPECT_EQ(p.text(items[0]), text);
    for (size_t i = 1; i < items.size(); i += 4) {
      EXPECT_EQ(items[i].integer, INT32_MAX);
      EXPECT_EQ(items[i + 1].real, 1.5);
      EXPECT_EQ(p.text(items[i + 2]), "hello");
      EXPECT_EQ(items[i + 3].integer, -1);
    }
  }
}

/// Any change of any byte: an Error at most.
TEST_F(PickleTest, NonsenseNeverCrashes) {
  std::mt19937 random(13);
  for (const char* name : {"snapshot.p2.pickle", "snapshot.p4.pickle", "data.p5.pickle"}) {
    const std::string whole = bytes_of(data(name));
    for (int round = 0; round < 700; ++round) {
      std::string bent = whole.substr(0, round % 3 == 0 ? random() % whole.size() : whole.size());
      for (int k = 0; k < 1 + round % 5 && !bent.empty(); ++k)
        bent[random() % std::min<size_t>(bent.size(), 3000)] = static_cast<char>(random());
      try {
        const Pickle p(write("x.pickle", bent), "cannot read",
                       round % 2 == 0 ? Pickle::Reducer() : first_integer);
        as_json(p, p.root());
      } catch (const Error&) {
      }
    }
  }
}

}  // namespace
}  // namespace tidemark
