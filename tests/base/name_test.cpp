#include "base/name.h"

#include <gtest/gtest.h>

#include <thread>
#include <unordered_set>
#include <vector>

namespace tidemark {
namespace {

TEST(NameTest, ReadsAsTheTextThatItWasMadeOf) {
  for (const char* text :
       {"", "x", "forward #12", "forward #0", "forward #012", "forward #", "forward #-0", "#3", " #3",
        "a #1 #2", "a #2147483647", "a #2147483648", "a #99999999999999999999", "a #1b", "a #+1"}) {
    EXPECT_EQ(Name(text).str(), text);
    EXPECT_EQ(Name(text), Name(std::string(text)));
    EXPECT_EQ(Name(text).empty(), *text == '\0');
  }
  EXPECT_EQ(Name(), Name(""));
  EXPECT_NE(Name("a"), Name("a #0"));
  EXPECT_NE(Name("a #1"), Name("a #01"));
}

TEST(NameTest, NumbersFollowATextOnce) {
  EXPECT_EQ(Name::numbered("forward", 7), Name("forward #7"));
  EXPECT_EQ(Name::numbered("a #1", 2), Name("a #1 #2"));
  EXPECT_EQ(Name::numbered("a #1", 2).text(), "a #1");
  EXPECT_EQ(Name("a #1 #2").with_number(3), Name("a #1 #3"));
  EXPECT_EQ(Name("forward #7").text(), "forward");
  EXPECT_EQ(Name("forward #7").number(), 7);
  EXPECT_LT(Name("forward").number(), 0);
  EXPECT_EQ(&Name("forward #7").text(), &Name("forward #8").text());
  EXPECT_LE(sizeof(Name), 8u);
}

TEST(NameTest, ManyThreadsMakeAndReadThem) {
  std::vector<std::vector<Name>> made(4);
  std::vector<std::thread> threads;
  for (std::vector<Name>& names : made)
    threads.emplace_back([&names] {
      for (int i = 0; i < 9000; ++i) names.emplace_back("text " + std::to_string(i));
      for (int i = 0; i < 9000; ++i)
        EXPECT_EQ(names[static_cast<size_t>(i)].text(), "text " + std::to_string(i));
    });
  for (std::thread& t : threads) t.join();
  std::unordered_set<Name> all;
  for (const std::vector<Name>& names : made) all.insert(names.begin(), names.end());
  EXPECT_EQ(all.size(), 9000u);
}

}  // namespace
}  // namespace tidemark
