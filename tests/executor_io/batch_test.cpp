#include "executor/io/batch.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/error.h"
#include "tests/scratch.h"

namespace tidemark {
namespace {

using ::testing::HasSubstr;

/// The buffers an executor would offer.
struct Buffers {
  explicit Buffers(const BatchSpec& spec, bool recurrent) {
    add("input_ids", spec.tokens);
    add("labels", spec.tokens);
    if (recurrent) {
      add("batch_sizes", spec.max_length);
    } else {
      add("position_ids", spec.tokens);
      add("cu_seqlens", spec.sequences + 1);
    }
  }
  void add(const std::string& name, int64_t size) {
    data[name].assign(static_cast<size_t>(size), -7);
    view[name] = data[name];
  }
  std::map<std::string, std::vector<int32_t>> data;
  BatchView view;
};

class BatchTest : public ScratchTest {
 protected:
  /// A text whose byte at i tells where it is, up to repetition, with lines of 1 to 90 bytes.
  std::shared_ptr<const TokenSource> corpus(size_t size) const {
    std::string text;
    for (size_t line = 0; text.size() < size; ++line) {
      for (size_t k = 0; k < line * 37 % 90; ++k)
        text += static_cast<char>('!' + (text.size() * 7 + line) % 90);
      text += '\n';
    }
    return std::make_shared<TokenSource>(write("corpus.txt", text.substr(0, size)), 256);
  }

  /// Checks one batch against the pieces it is said to hold; returns the tokens trained on.
  static void check(BatchMaker& maker, const TokenSource& source, const BatchSpec& spec, bool recurrent,
                    int64_t step, int64_t micro) {
    Buffers buffers(spec, recurrent);
    maker.fill(step, micro, buffers.view);
    const auto span = maker.pieces(step, micro);
    std::vector<Piece> pieces(span.begin(), span.end());
    ASSERT_LE(static_cast<int64_t>(pieces.size()), spec.sequences);
    int64_t total = 0;
    for (const Piece& piece : pieces) {
      EXPECT_GE(piece.length, 1);
      EXPECT_LE(piece.length, spec.max_length);
      EXPECT_GE(piece.start, 0);
      EXPECT_LE(piece.start + piece.length, source.size() - (piece.ends ? 0 : 1));
      total += piece.length;
    }
    ASSERT_EQ(total, spec.tokens);
    if (recurrent)
      std::sort(pieces.begin(), pieces.end(), [](const Piece& a, const Piece& b) {
        return a.length != b.length ? a.length > b.length : a.start < b.start;
      });
    // Walk the layout independently: the row of step k of sequence s.
    size_t row = 0;
    const auto expect = [&](const Piece& piece, int64_t k) {
      const bool last = k + 1 == piece.length;
      EXPECT_EQ(buffers.data["input_ids"][row], source[piece.start + k]);
      EXPECT_EQ(buffers.data["labels"][row], last && piece.ends ? -100 : source[piece.start + k + 1]);
      if (!recurrent) {
        EXPECT_EQ(buffers.data["position_ids"][row], k);
      }
      ++row;
    };
    if (recurrent) {
      for (int64_t k = 0; k < spec.max_length; ++k) {
        int64_t running = 0;
        for (const Piece& piece : pieces) {
          if (piece.length <= k) continue;
          expect(piece, k);
          ++running;
        }
        EXPECT_EQ(buffers.data["batch_sizes"][static_cast<size_t>(k)], running);
      }
    } else {
      for (size_t s = 0; s < pieces.size(); ++s) {
        EXPECT_EQ(buffers.data["cu_seqlens"][s], static_cast<int32_t>(row));
        for (int64_t k = 0; k < pieces[s].length; ++k) expect(pieces[s], k);
      }
      for (size_t s = pieces.size(); s <= static_cast<size_t>(spec.sequences); ++s)
        EXPECT_EQ(buffers.data["cu_seqlens"][s], spec.tokens);
    }
    EXPECT_EQ(static_cast<int64_t>(row), spec.tokens);
  }
};

TEST_F(BatchTest, WindowsHoldConsecutiveTokens) {
  const auto source = corpus(5000);
  const BatchSpec spec{.tokens = 6 * 32, .sequences = 6, .max_length = 32};
  BatchMaker maker(source, spec, {.packing = Packing::windows, .seed = 3, .micro_batches = 2});
  for (const bool recurrent : {false, true})
    for (int64_t step = 0; step < 20; ++step)
      for (int64_t micro = 0; micro < 2; ++micro) check(maker, *source, spec, recurrent, step, micro);
}

TEST_F(BatchTest, EachEpochShowsEveryWindowOnce) {
  const auto source = corpus(1000);
  const BatchSpec spec{.tokens = 4 * 37, .sequences = 4, .max_length = 37};
  BatchMaker maker(source, spec, {.packing = Packing::windows, .seed = 9});
  const int64_t windows = 999 / 37;  // 27, of which a batch takes 4
  std::vector<int64_t> starts;
  for (int64_t step = 0; step < windows; ++step)
    for (const Piece& piece : maker.pieces(step, 0)) starts.push_back(piece.start);
  ASSERT_EQ(starts.size(), static_cast<size_t>(4 * windows));  // four epochs
  std::vector<std::vector<int64_t>> epochs;
  for (int64_t epoch = 0; epoch < 4; ++epoch) {
    epochs.emplace_back(starts.begin() + epoch * windows, starts.begin() + (epoch + 1) * windows);
    std::set<int64_t> distinct(epochs.back().begin(), epochs.back().end());
    EXPECT_EQ(static_cast<int64_t>(distinct.size()), windows);
    EXPECT_EQ(*distinct.rbegin() - *distinct.begin(), (windows - 1) * 37);
  }
  EXPECT_NE(epochs[0], epochs[1]);
}

TEST_F(BatchTest, DocumentsFillEveryBatchExactly) {
  const auto source = corpus(20000);
  for (const auto& [tokens, sequences, length] : std::vector<std::array<int64_t, 3>>{
           {512, 32, 64}, {512, 8, 64}, {500, 9, 61}, {100, 100, 100}, {7, 7, 1}, {64, 1, 64}}) {
    const BatchSpec spec{.tokens = tokens, .sequences = sequences, .max_length = length};
    BatchMaker maker(
        source, spec,
        {.packing = Packing::documents, .unit = DocumentUnit::line, .seed = 5, .micro_batches = 3});
    for (const bool recurrent : {false, true})
      for (int64_t step = 0; step < 20; ++step) check(maker, *source, spec, recurrent, step, step % 3);
  }
}

TEST_F(BatchTest, DocumentsBeginWhereTheyBeginAndVaryInLength) {
  const auto source = corpus(20000);
  const auto starts = source->documents(DocumentUnit::line);
  const BatchSpec spec{.tokens = 2000, .sequences = 200, .max_length = 100};
  BatchMaker maker(source, spec, {.packing = Packing::documents, .unit = DocumentUnit::line});
  std::set<int64_t> lengths;
  int whole = 0, all = 0;
  for (int64_t step = 0; step < 10; ++step)
    for (const Piece& piece : maker.pieces(step, 0)) {
      lengths.insert(piece.length);
      ++all;
      whole += piece.ends && std::binary_search(starts.begin(), starts.end(), piece.start);
    }
  EXPECT_GT(lengths.size(), 50u);
  EXPECT_GE(whole, all - 2 * 10 - all / 20);  // the last of a batch is cut; a one-byte line is extended
}

TEST_F(BatchTest, DependsOnStepMicroBatchAndSeedOnly) {
  const auto source = corpus(20000);
  const BatchSpec spec{.tokens = 256, .sequences = 16, .max_length = 64};
  const BatchOptions options{
      .packing = Packing::documents, .unit = DocumentUnit::line, .seed = 1, .micro_batches = 2};
  const auto ids = [&](BatchMaker& maker, int64_t step, int64_t micro) {
    Buffers buffers(spec, false);
    maker.fill(step, micro, buffers.view);
    return buffers.data;
  };
  BatchMaker unbroken(source, spec, options);
  std::vector<std::map<std::string, std::vector<int32_t>>> seen;
  for (int64_t step = 0; step < 5; ++step)
    for (int64_t micro = 0; micro < 2; ++micro) seen.push_back(ids(unbroken, step, micro));
  BatchMaker resumed(source, spec, options);
  EXPECT_EQ(ids(resumed, 4, 1), seen[9]);
  EXPECT_EQ(ids(resumed, 2, 0), seen[4]);
  for (size_t i = 0; i < seen.size(); ++i)
    for (size_t k = i + 1; k < seen.size(); ++k) EXPECT_NE(seen[i]["input_ids"], seen[k]["input_ids"]);
  BatchOptions other = options;
  other.seed = 2;
  BatchMaker another(source, spec, other);
  EXPECT_NE(ids(another, 0, 0), seen[0]);
}

TEST_F(BatchTest, RefusesWhatCannotBeFilled) {
  const auto source = corpus(100);
  const auto refused = [&](const BatchSpec& spec, Packing packing) {
    return message_of<Error>([&] { BatchMaker(source, spec, {.packing = packing}); });
  };
  EXPECT_THAT(refused({.tokens = 100, .sequences = 1, .max_length = 100}, Packing::windows),
              HasSubstr("100 tokens are too few"));
  EXPECT_THAT(refused({.tokens = 30, .sequences = 2, .max_length = 20}, Packing::windows),
              HasSubstr("product"));
  EXPECT_THAT(refused({.tokens = 50, .sequences = 2, .max_length = 20}, Packing::documents),
              HasSubstr("cannot fill 50"));
}

}  // namespace
}  // namespace tidemark
