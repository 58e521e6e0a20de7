// IDX files, batches of images, pictures.
#include <gmock/gmock.h>
#include <png.h>
#include <zlib.h>

#include <set>

#include "base/error.h"
#include "executor/io/image_batch.h"
#include "executor/io/png.h"
#include "tests/scratch.h"

namespace tidemark {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Bytes = std::vector<uint8_t>;

class ImageTest : public ScratchTest {
 protected:
  static std::string idx(uint32_t magic, std::vector<uint32_t> sizes, const Bytes& pixels) {
    std::string bytes;
    sizes.insert(sizes.begin(), magic);
    for (uint32_t n : sizes)
      for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(n >> shift);
    return bytes + std::string(pixels.begin(), pixels.end());
  }
  /// n images of 2 x 3 pixels; image i holds the bits of i.
  static std::string numbered(uint32_t n) {
    Bytes pixels;
    for (uint32_t i = 0; i < n; ++i)
      for (int bit = 0; bit < 6; ++bit) pixels.push_back(i >> bit & 1);
    return idx(0x803, {n, 2, 3}, pixels);
  }
  std::string write_gzip(const std::string& name, const std::string& bytes) const {
    gzFile file = gzopen(path(name).c_str(), "wb");
    gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size()));
    gzclose(file);
    return path(name);
  }
  std::string refused(const std::string& bytes) const {
    write("bad.idx3-ubyte", bytes);
    return message_of<Error>([&] { ImageSource(path("bad.idx3-ubyte"), "train"); });
  }
  static Bytes pixels_of(const ImageSource& source, int64_t i) {
    return {source[i].begin(), source[i].end()};
  }
};

TEST_F(ImageTest, ReadsPlainAndCompressedFiles) {
  for (const std::string& file : {write("a.idx3-ubyte", numbered(5)), write_gzip("b.gz", numbered(5))}) {
    const ImageSource source(file, "train");
    EXPECT_EQ(source.size(), 5);
    EXPECT_EQ(source.height(), 2);
    EXPECT_EQ(source.width(), 3);
    EXPECT_THAT(pixels_of(source, 4), ElementsAre(0, 0, 1, 0, 0, 0));
  }
}

TEST_F(ImageTest, CutsGreyImagesAtHalf) {
  write("grey", idx(0x803, {1, 2, 2}, {0, 127, 128, 255}));
  EXPECT_THAT(pixels_of(ImageSource(path("grey"), ""), 0), ElementsAre(0, 0, 1, 1));
  write("binary", idx(0x803, {1, 2, 2}, {0, 1, 1, 0}));
  EXPECT_THAT(pixels_of(ImageSource(path("binary"), ""), 0), ElementsAre(0, 1, 1, 0));
}

TEST_F(ImageTest, FindsThePartOfAFolder) {
  write_gzip("mnist_train.idx3-ubyte.gz", numbered(7));
  write("mnist_test.idx3-ubyte", numbered(3));
  EXPECT_EQ(ImageSource(folder_.string(), "train").size(), 7);
  EXPECT_EQ(ImageSource(folder_.string(), "test").size(), 3);
  EXPECT_THAT(message_of<Error>([&] { ImageSource(folder_.string(), "valid"); }),
              HasSubstr("no file's name ends in valid.idx3-ubyte"));
  write("other_test.idx3-ubyte", numbered(3));
  EXPECT_THAT(message_of<Error>([&] { ImageSource(folder_.string(), "test"); }), HasSubstr("several files"));
}

TEST_F(ImageTest, RefusesWhatIsDamaged) {
  const std::string good = numbered(5);
  EXPECT_THAT(refused(good.substr(0, good.size() - 1)), HasSubstr("cut off"));
  EXPECT_THAT(refused(good.substr(0, 9)), HasSubstr("cut off"));
  EXPECT_THAT(refused(good + "x"), HasSubstr("goes on after its last image"));
  EXPECT_THAT(refused(idx(0x801, {5}, Bytes(5))), HasSubstr("cut off"));
  EXPECT_THAT(refused(idx(0x801, {40}, Bytes(40))), HasSubstr("not 00 00 08 03"));
  EXPECT_THAT(refused(idx(0x803, {0, 2, 2}, {})), HasSubstr("0 images of 2 x 2"));
  EXPECT_THAT(refused(idx(0x803, {0xffffffff, 0xffff, 0xffff}, {})), HasSubstr("its header says"));
  EXPECT_THAT(message_of<Error>([&] { ImageSource(path("none"), "train"); }),
              HasSubstr("No such file or directory"));
  // A gzip file whose last bytes, checksum and length, are another's.
  std::string gzip = bytes_of(write_gzip("c.gz", numbered(60)));
  gzip[gzip.size() - 6] ^= 1;
  EXPECT_THAT(refused(gzip), HasSubstr("damaged"));
}

/// The numbers of the images in a batch of 4.
std::vector<int> batch(const ImageBatchMaker& maker, int64_t number) {
  std::vector<float> x(4 * 6, -1);
  maker.fill(number, {"x", {DType::f32, {4, 6}}, x.data()});
  std::vector<int> images(4);
  for (size_t i = 0; i < x.size(); ++i) images[i / 6] |= (x[i] != 0) << i % 6;
  return images;
}

TEST_F(ImageTest, BatchesHoldEveryImageOnceAnEpoch) {
  write("n.idx3-ubyte", numbered(10));
  const auto source = std::make_shared<ImageSource>(path("n.idx3-ubyte"), "");
  const ImageBatchMaker shuffled(source, 7), same(source, 7), other(source, 8), ordered(source, std::nullopt);
  std::vector<int> seen;
  for (int64_t b = 0; b < 5; ++b) {
    EXPECT_EQ(batch(shuffled, b), batch(same, b));
    for (int image : batch(shuffled, b)) seen.push_back(image);
  }
  const std::vector<int> first(seen.begin(), seen.begin() + 10), second(seen.begin() + 10, seen.end());
  EXPECT_EQ(std::set<int>(first.begin(), first.end()).size(), 10u);
  EXPECT_EQ(std::set<int>(second.begin(), second.end()).size(), 10u);
  EXPECT_NE(first, second);
  EXPECT_NE(batch(shuffled, 0), batch(other, 0));
  EXPECT_THAT(batch(ordered, 2), ElementsAre(8, 9, 0, 1));
}

TEST_F(ImageTest, PixelsOfBfloat16AreExact) {
  write("n.idx3-ubyte", numbered(10));
  const ImageBatchMaker ordered(std::make_shared<ImageSource>(path("n.idx3-ubyte"), ""), std::nullopt);
  std::vector<uint16_t> x(6);
  ordered.fill(5, {"x", {DType::bf16, {1, 6}}, x.data()});
  EXPECT_THAT(x, ElementsAre(0x3f80, 0, 0x3f80, 0, 0, 0));
}

TEST_F(ImageTest, PicturesAreGrids) {
  write_image_grid(path("p.png"), std::vector<float>{0, 1, 0.5f, 1, 1, 1}, 1, 2, 2, 3);
  png_image image = {};
  image.version = PNG_IMAGE_VERSION;
  ASSERT_TRUE(png_image_begin_read_from_file(&image, path("p.png").c_str()));
  EXPECT_EQ(image.width, 2u + 2 * (6 + 2));   // two images of 2 x 1, each value 3 x 3, gaps of 2
  EXPECT_EQ(image.height, 2u + 2 * (3 + 2));  // the third begins a second row
  image.format = PNG_FORMAT_GRAY;
  Bytes grey(PNG_IMAGE_SIZE(image));
  ASSERT_TRUE(png_image_finish_read(&image, nullptr, grey.data(), 0, nullptr));
  const auto at = [&](size_t x, size_t y) { return int{grey[y * image.width + x]}; };
  EXPECT_EQ(at(2, 2), 0);
  EXPECT_EQ(at(4, 4), 0);
  EXPECT_EQ(at(5, 2), 255);
  EXPECT_EQ(at(10, 2), 128);
  EXPECT_EQ(at(2, 7), 255);
  EXPECT_EQ(at(0, 0), at(8, 2));  // the gap
  EXPECT_THAT(
      message_of<Error>([&] { write_image_grid(path("no/p.png"), std::vector<float>{0}, 1, 1, 1, 1); }),
      HasSubstr("cannot write the picture"));
}

}  // namespace
}  // namespace tidemark
