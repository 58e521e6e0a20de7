#include "base/json_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "tests/scratch.h"

namespace tidemark {
namespace {

using testing::HasSubstr;

std::string refusal(const std::string& text) {
  return message_of<Error>([&] { parse_json(text, "a.json", "cannot read"); });
}

TEST(ParseJson, SaysWhereItIsNotJson) {
  EXPECT_THAT(refusal("[1, 2"), HasSubstr("cannot read: a.json: not valid JSON at byte 6"));
  EXPECT_THAT(refusal(""), HasSubstr("not valid JSON"));
}

TEST(ParseJson, RefusesNumbersThatNoDoubleHolds) {
  EXPECT_THAT(refusal("[1e999]"), HasSubstr("a.json: a number in it is larger than any double"));
  EXPECT_THAT(refusal("{\"a\": -4.4e405}"), HasSubstr("larger than any double"));
}

TEST(ParseJson, RefusesAKeyThatAppearsTwice) {
  EXPECT_THAT(refusal("{\"a\": {\"b\": 1, \"b\": 2}}"), HasSubstr("\"b\" appears twice"));
  EXPECT_EQ(parse_json("{\"a\": {\"b\": 1}, \"c\": {\"b\": 2}}", "a.json", "cannot read").size(), 2u);
}

}  // namespace
}  // namespace tidemark
