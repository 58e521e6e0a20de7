#include "base/units.h"

#include <gtest/gtest.h>

#include "base/category.h"
#include "base/error.h"

namespace tidemark {
namespace {

TEST(Units, ReadsBytesWithDecimalAndBinaryPrefixes) {
  EXPECT_EQ(parse_bytes("4096", "--budget"), 4096);
  EXPECT_EQ(parse_bytes("300MiB", "--budget"), 300 * 1024 * 1024);
  EXPECT_EQ(parse_bytes("1.5 GB", "--budget"), 1'500'000'000);
  EXPECT_EQ(parse_bytes("0", "--budget"), 0);
}

TEST(Units, RefusesWhatIsNotASize) {
  for (const char* text : {"", "MiB", "-1", "12 parsecs", "nan", "9e30", "1e19"})
    EXPECT_THROW(parse_bytes(text, "--budget"), Error) << text;
}

TEST(Units, WritesBytesAndCountsForPeople) {
  EXPECT_EQ(format_bytes(512), "512 B");
  EXPECT_EQ(format_bytes(315621376), "301.0 MiB");
  EXPECT_EQ(format_count(6738415616), "6,738,415,616");
  EXPECT_EQ(format_count(-1000), "-1,000");
  EXPECT_EQ(format_count(999), "999");
}

TEST(Category, NamesRoundTrip) {
  for (int i = 0; i < kCategoryCount; ++i) {
    const auto c = static_cast<Category>(i);
    EXPECT_EQ(category_from(name_of(c), "test"), c);
  }
  EXPECT_THROW(category_from("unknown", "test"), Error);
}

}  // namespace
}  // namespace tidemark
