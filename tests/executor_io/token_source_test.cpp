#include "executor/io/token_source.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "tests/scratch.h"

namespace tidemark {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class TokenSourceTest : public ScratchTest {
 protected:
  std::vector<int64_t> tokens(const std::string& file, int64_t vocabulary) const {
    const TokenSource source(file, vocabulary);
    std::vector<int64_t> ids;
    for (int64_t i = 0; i < source.size(); ++i) ids.push_back(source[i]);
    return ids;
  }
  std::string refusal(const std::string& name, const std::string& bytes, int64_t vocabulary = 256) const {
    const std::string file = write(name, bytes);
    const std::string message = message_of<Error>([&] { TokenSource(file, vocabulary); });
    EXPECT_THAT(message, HasSubstr(file));
    return message;
  }
  static std::string npy(const std::string& descr, const std::string& shape, const std::string& data,
                         char version = 1) {
    std::string header = "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }";
    header.resize(117, ' ');
    header += '\n';
    std::string bytes = std::string("\x93NUMPY") + version + '\0' + static_cast<char>(header.size()) + '\0';
    if (version > 1) bytes += std::string(2, '\0');
    return bytes + header + data;
  }
};

TEST_F(TokenSourceTest, ReadsTextAsBytes) {
  EXPECT_THAT(tokens(write("a.txt", "h\xc3\xa9!"), 256), ElementsAre('h', 0xc3, 0xa9, '!'));
}

TEST_F(TokenSourceTest, RefusesTextThatIsNotUtf8) {
  EXPECT_THAT(refusal("a.txt", ""), HasSubstr("empty"));
  EXPECT_THAT(refusal("a.txt", "abc\xff"), HasSubstr("byte 3: not UTF-8"));
  EXPECT_THAT(refusal("a.txt", "caf\xe9 latin"), HasSubstr("byte 3"));
  EXPECT_THAT(refusal("a.txt", "cut \xe2\x82"), HasSubstr("byte 4"));
  EXPECT_THAT(refusal("a.txt", "\xc0\x80"), HasSubstr("byte 0"));           // overlong
  EXPECT_THAT(refusal("a.txt", "a\xed\xa0\x80"), HasSubstr("byte 1"));      // surrogate
  EXPECT_THAT(refusal("a.txt", "a\xf4\x90\x80\x80"), HasSubstr("byte 1"));  // beyond U+10FFFF
  EXPECT_THAT(refusal("a.txt", "plain", 100), HasSubstr("position 0: id 112 is outside"));
  EXPECT_EQ(tokens(write("b.txt", "\xf0\x9f\x8c\x8a\xe2\x82\xac"), 256).size(), 7u);
}

TEST_F(TokenSourceTest, ReadsRawIds) {
  const std::string two("\x01\x00\x00\x01", 4);
  EXPECT_THAT(tokens(write("a.bin", two), 50000), ElementsAre(1, 256));
  EXPECT_THAT(tokens(write("a.bin", std::string("\x01\x00\x01\x00", 4)), 100000), ElementsAre(65537));
  write("b.bin.json", R"({"dtype":"uint32"})");
  EXPECT_THAT(tokens(write("b.bin", std::string("\x07\x00\x00\x00", 4)), 50000), ElementsAre(7));
  EXPECT_THAT(refusal("a.bin", two, 256), HasSubstr("position 1: id 256 is outside the vocabulary of 256"));
  EXPECT_THAT(refusal("a.bin", "abc"), HasSubstr("3 bytes are no whole number of uint16"));
  write("c.bin.json", R"({"dtype":"float"})");
  EXPECT_THAT(message_of<Error>([&] { TokenSource(write("c.bin", two), 256); }),
              HasSubstr("c.bin.json, dtype"));
}

TEST_F(TokenSourceTest, ReadsNumpyArrays) {
  const std::string eight("\x05\x00\x00\x00\x06\x00\x00\x00", 8);
  EXPECT_THAT(tokens(write("a.npy", npy("<u4", "(2,)", eight)), 10), ElementsAre(5, 6));
  EXPECT_THAT(tokens(write("a.npy", npy("<i4", "(2,)", eight)), 10), ElementsAre(5, 6));
  EXPECT_THAT(tokens(write("a.npy", npy("<u2", "(4,)", eight)), 10), ElementsAre(5, 0, 6, 0));
  EXPECT_THAT(tokens(write("a.npy", npy("<i8", "(1,)", std::string("\x09", 1) + std::string(7, '\0'))), 10),
              ElementsAre(9));
  EXPECT_THAT(tokens(write("a.npy", npy("|u1", "(8,)", eight, 2)), 10), ElementsAre(5, 0, 0, 0, 6, 0, 0, 0));

  EXPECT_THAT(refusal("a.npy", npy("<i4", "(2,)", std::string(8, '\xff'))), HasSubstr("id -1 is outside"));
  EXPECT_THAT(refusal("a.npy", npy("<f4", "(2,)", eight)), HasSubstr("little-endian"));
  EXPECT_THAT(refusal("a.npy", npy(">u4", "(2,)", eight)), HasSubstr("little-endian"));
  EXPECT_THAT(refusal("a.npy", npy("<u4", "(1, 2)", eight)), HasSubstr("one dimension"));
  EXPECT_THAT(refusal("a.npy", npy("<u4", "()", eight)), HasSubstr("one dimension"));
  EXPECT_THAT(refusal("a.npy", npy("<u4", "(3,)", eight)), HasSubstr("says 3 elements, it holds 2"));
  EXPECT_THAT(refusal("a.npy", npy("<u4", "(99999999999999999999,)", eight)), HasSubstr("dimension"));
  EXPECT_THAT(refusal("a.npy", "something else entirely"), HasSubstr("not a .npy file"));
  const std::string whole = npy("<u4", "(2,)", eight);
  for (size_t size = 0; size < whole.size(); ++size) refusal("cut.npy", whole.substr(0, size));
}

TEST_F(TokenSourceTest, FindsDocuments) {
  const TokenSource text(write("a.txt", "one\ntwo\n\n\nthree\n"), 256);
  EXPECT_THAT(text.documents(DocumentUnit::line), ElementsAre(0, 4, 8, 9, 10));
  EXPECT_THAT(text.documents(DocumentUnit::paragraph), ElementsAre(0, 10));
  const TokenSource ids(write("a.bin", std::string("\1\0\2\0\0\0\3\0\0\0", 10)), 256);
  EXPECT_THAT(ids.documents(DocumentUnit::separator, 0), ElementsAre(0, 3));
  EXPECT_THROW(ids.documents(DocumentUnit::line), Error);
  EXPECT_THROW(text.documents(DocumentUnit::separator), Error);
}

}  // namespace
}  // namespace tidemark
