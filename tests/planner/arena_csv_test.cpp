#include "planner/arena/csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/error.h"

namespace tidemark::arena {
namespace {

std::string error_of(const std::string& text) {
  try {
    parse_csv(text, "p.csv");
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(ArenaCsv, ReadsWhatItWrites) {
  const std::string text =
      "id,lower,upper,size,gaps,offset\n"
      "a,0,9,10,1-2 3-5@0:4,0\n"
      "b,-3,2,7,,10\n";
  const auto buffers = parse_csv(text, "p.csv");
  ASSERT_EQ(buffers.size(), 2u);
  EXPECT_EQ(buffers[0].gaps[1].window->upper, 4);
  EXPECT_EQ(buffers[1].time.lower, -3);
  EXPECT_EQ(to_csv(buffers, {0, 10}), text);
  const std::string plain = "id,lower,upper,size,offset\nx,1,2,3,0\n";
  EXPECT_EQ(to_csv(parse_csv(plain, "p.csv"), {0}), plain);
}

TEST(ArenaCsv, TakesColumnsInAnyOrderBlanksAndWindowsLineEnds) {
  const auto buffers = parse_csv("size, id ,upper,lower\r\n\r\n 5,a, 3 ,1\r\n", "p.csv");
  ASSERT_EQ(buffers.size(), 1u);
  EXPECT_EQ(buffers[0].id, "a");
  EXPECT_EQ(buffers[0].size, 5);
  EXPECT_EQ(buffers[0].time.upper, 3);
}

TEST(ArenaCsv, SaysWhatIsWrongAndWhere) {
  const std::string head = "id,lower,upper,size,gaps\n";
  const std::pair<std::string, const char*> cases[] = {
      {"", "p.csv: is empty"},
      {head, "p.csv: holds no buffers"},
      {"id,lower,upper\n", "p.csv:1: there is no column 'size'"},
      {"id,lower,upper,size,size\n", "p.csv:1: column 'size' stands twice"},
      {"id,lower,upper,size,alignment\n", "p.csv:1: unknown column 'alignment'"},
      {head + "a,0,1,2\n", "p.csv:2: has 4 fields, the header 5"},
      {head + "a,0,x,2,\n", "p.csv:2: upper 'x' is not an integer"},
      {head + "a,0,1,9223372036854775808,\n", "does not fit into 64 bits"},
      {head + "a,0,1,-2,\n", "p.csv:2: the size -2 is negative"},
      {head + "a,1,1,2,\n", "p.csv:2: the life [1, 1) is empty"},
      {head + ",0,1,2,\n", "p.csv:2: the id is empty"},
      {head + "a,0,1,2,\n\na,0,1,2,\n", "p.csv:4: the id 'a' stands in line 2 already"},
      {head + "a,0,1,4611686018427387904,\nb,5,6,1,\n", "p.csv:3: the sizes up to here add up to over 2^62"},
      {head + "a,0,9,2,1-3 2-4\n", "p.csv:2: the gap [2, 4) overlaps another"},
      {head + "a,0,9,2,1-12\n", "leaves the life [0, 9)"},
      {head + "a,0,9,2,1\n", "gap '1' is not an interval"},
      {head + "a,0,9,2,1-2@0:3\n", "the window [0, 3) is empty or leaves the buffer's 2 bytes"},
  };
  for (const auto& [text, message] : cases) EXPECT_THAT(error_of(text), testing::HasSubstr(message)) << text;
}

TEST(ArenaCsv, AnyBytesAreAProblemOrAnError) {
  const std::string seed = "id,lower,upper,size,gaps\na,0,9,10,1-2 3-5@0:4\nb,3,20,7,\n";
  const std::string alphabet = "0123456789-,@: \n\rabidlowersizegap\xff";
  std::mt19937 random(8);
  int read = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string text = seed;
    for (unsigned k = 1 + random() % 4; k-- > 0;) {
      const size_t at = random() % text.size();
      const char c = alphabet[random() % alphabet.size()];
      if (random() % 3 == 0)
        text.erase(at, 1);
      else if (random() % 2 == 0)
        text[at] = c;
      else
        text.insert(at, 1, c);
    }
    try {
      for (const Buffer& b : parse_csv(text, "p.csv")) ASSERT_EQ(fault_of(b), "");
      ++read;
    } catch (const Error&) {
    }
  }
  EXPECT_GT(read, 1000);
}

}  // namespace
}  // namespace tidemark::arena
