#include "base/gzip.h"

#include <gmock/gmock.h>

#include <random>

#include "base/error.h"
#include "tests/scratch.h"

namespace tidemark {
namespace {

using ::testing::HasSubstr;

class GzipTest : public ScratchTest {
 protected:
  std::string read(const std::string& file, size_t piece = 1000) const {
    GzipReader reader(file, "cannot read");
    std::string all, part(piece, '\0');
    for (size_t got = piece; got == piece;)
      all.append(part, 0, got = reader.read(std::as_writable_bytes(std::span(part))));
    return all;
  }
  void write_with(const std::string& file, const std::string& text, size_t piece) const {
    GzipWriter writer(file, "cannot write");
    for (size_t at = 0; at < text.size(); at += piece) writer.write(std::string_view(text).substr(at, piece));
    writer.commit();
  }
  /// Compresses to about an eighth.
  static std::string random_text(size_t bytes) {
    std::mt19937 random(5);
    std::string text(bytes, '\0');
    for (char& c : text) c = static_cast<char>('a' + random() % 2);
    return text;
  }
};

TEST_F(GzipTest, ReadsWhatItWrote) {
  for (const size_t bytes : {size_t{0}, size_t{1}, size_t{1} << 18, (size_t{5} << 18) + 3}) {
    const std::string text = random_text(bytes);
    for (const char* name : {"text", "text.gz"}) {
      write_with(path(name), text, 70'000);
      EXPECT_EQ(read(path(name)), text) << name << ", " << bytes;
    }
    EXPECT_EQ(bytes_of(path("text")), text);
  }
}

TEST_F(GzipTest, WithoutACommitNothingIsThere) {
  { GzipWriter(path("text.gz"), "cannot write").write("lost"); }
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

TEST_F(GzipTest, DamageIsSaid) {
  write_with(path("text.gz"), random_text(100'000), 1000);
  const std::string whole = bytes_of(path("text.gz"));
  const auto refused = [&](const std::string& bytes) {
    return message_of<Error>([&] { read(write("bad.gz", bytes)); });
  };
  EXPECT_THAT(refused(whole.substr(0, whole.size() / 2)), HasSubstr("cut off"));
  std::string bent = whole;
  bent[whole.size() / 2] ^= 1;
  EXPECT_THAT(refused(bent), HasSubstr("damaged"));
  EXPECT_THAT(message_of<Error>([&] { read(path("none.gz")); }), HasSubstr("No such file"));
  EXPECT_THAT(message_of<Error>([&] { read(folder_.string()); }), HasSubstr(folder_.string()));
}

}  // namespace
}  // namespace tidemark
