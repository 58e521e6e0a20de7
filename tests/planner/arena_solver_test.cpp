#include "planner/arena/solver.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "base/file.h"
#include "planner/arena/check.h"
#include "planner/arena/csv.h"

namespace tidemark::arena {
namespace {

/// Whether two pieces of different buffers exist at one time.
bool meet(const Piece& a, const Piece& b) {
  return a.time.lower < b.time.upper && b.time.lower < a.time.upper;
}

/// The lowest end by brute force: some optimal placement puts each buffer, in some order, at 0 or where one
/// of its pieces touches the end of another's below. Only for buffers without windows that begin above 0.
int64_t optimum(const std::vector<Buffer>& buffers) {
  const std::vector<Piece> pieces = pieces_of(buffers);
  std::vector<int64_t> at(buffers.size(), -1);
  int64_t best = INT64_MAX;
  const auto free = [&](size_t i, int64_t spot) {
    for (const Piece& a : pieces)
      for (const Piece& b : pieces)
        if (a.buffer == i && b.buffer != i && at[b.buffer] >= 0 && meet(a, b) &&
            spot < at[b.buffer] + b.bytes.upper && at[b.buffer] < spot + a.bytes.upper)
          return false;
    return true;
  };
  std::function<void(size_t, int64_t)> visit = [&](size_t placed, int64_t end) {
    if (end >= best) return;
    if (placed == buffers.size()) {
      best = end;
      return;
    }
    for (size_t i = 0; i < buffers.size(); ++i) {
      if (at[i] >= 0) continue;
      std::vector<int64_t> spots = {0};
      for (const Piece& p : pieces)
        if (at[p.buffer] >= 0) spots.push_back(at[p.buffer] + p.bytes.upper);
      for (int64_t spot : spots) {
        if (!free(i, spot)) continue;
        at[i] = spot;
        visit(placed + 1, std::max(end, spot + buffers[i].size));
        at[i] = -1;
      }
    }
  };
  visit(0, 0);
  return best;
}

Buffer random_buffer(std::mt19937& random, size_t i, int times, int largest, bool with_gaps) {
  const auto below = [&](int n) { return static_cast<int64_t>(random() % static_cast<unsigned>(n)); };
  Buffer b;
  b.id = std::to_string(i);
  b.time.lower = below(times);
  b.time.upper = b.time.lower + 1 + below(times);
  b.size = 1 + below(largest);
  if (with_gaps && b.time.upper - b.time.lower >= 3) {
    Gap gap{{b.time.lower + 1, b.time.upper - 1}, {}};
    if (b.size > 1 && random() % 2 == 0) gap.window = Interval{0, b.size / 2};
    b.gaps.push_back(gap);
  }
  return b;
}

std::vector<Buffer> random_problem(std::mt19937& random, size_t count, bool with_gaps) {
  std::vector<Buffer> buffers;
  for (size_t i = 0; i < count; ++i) buffers.push_back(random_buffer(random, i, 6, 7, with_gaps));
  return buffers;
}

/// The bound, the optimum and both questions, of one small problem.
int64_t expect_exact(const std::vector<Buffer>& buffers, const SolverOptions& options) {
  const int64_t best = optimum(buffers);
  EXPECT_LE(lower_bound(buffers), best);
  const Solution lowest = minimize(buffers, options);
  EXPECT_EQ(lowest.end, best);
  EXPECT_TRUE(lowest.optimal());
  EXPECT_EQ(check(buffers, lowest.offsets, best), "");
  const Solution fits = fit(buffers, best, options);
  EXPECT_EQ(fits.status, Status::solved);
  if (fits.status == Status::solved) EXPECT_EQ(check(buffers, fits.offsets, best), "");
  EXPECT_EQ(fit(buffers, best - 1, options).status, Status::infeasible);
  return best;
}

class EachTechnique : public testing::TestWithParam<int> {
 protected:
  static SolverOptions options() {
    SolverOptions o;
    Techniques& t = o.techniques;
    bool* const switches[] = {&t.lists,   &t.inference, &t.canonical, &t.decomposition,
                              &t.nogoods, &t.symmetry,  &t.learning,  &t.restarts};
    t.lists = GetParam() < 0;  // so that the search has the work
    if (GetParam() > 0) *switches[GetParam()] = false;
    return o;
  }
};

TEST_P(EachTechnique, AnswersSmallProblemsExactly) {
  std::mt19937 random(5);
  int above_bound = 0;
  for (int round = 0; round < 400 && !HasFailure(); ++round) {
    const auto buffers = random_problem(random, 1 + random() % 6, round % 2 == 1);
    SCOPED_TRACE("round " + std::to_string(round) + "\n" +
                 to_csv(buffers, std::vector<int64_t>(buffers.size())));
    above_bound += expect_exact(buffers, options()) > lower_bound(buffers) ? 1 : 0;
  }
  EXPECT_GT(above_bound, 4);  // the bound alone must not do
}

// -1: as users have it; 0: without the lists; n: without the nth technique too.
INSTANTIATE_TEST_SUITE_P(All, EachTechnique, testing::Range(-1, 8));

TEST(ArenaSolver, PlacesInterlockingWindowsAndClaimsNoProofAboutThem) {
  std::mt19937 random(6);
  for (int round = 0; round < 300; ++round) {
    auto buffers = random_problem(random, 1 + random() % 6, true);
    for (Buffer& b : buffers)
      for (Gap& gap : b.gaps)
        if (gap.window) gap.window = Interval{b.size - b.size / 2, b.size};
    const Solution s = minimize(buffers, {.work = 100'000});
    ASSERT_EQ(check(buffers, s.offsets, s.end), "") << to_csv(buffers, s.offsets);
    ASSERT_GE(s.end, s.lower_bound);
    // A proof would be the bytes occupied at once, never an exhausted search.
    ASSERT_EQ(s.lower_bound, lower_bound(buffers));
  }
}

TEST(ArenaSolver, SameWorkSameOffsets) {
  std::mt19937 random(7);
  std::vector<Buffer> buffers;
  for (size_t i = 0; i < 80; ++i) buffers.push_back(random_buffer(random, i, 40, 90, false));
  EXPECT_EQ(minimize(buffers, {.work = 300'000}).offsets, minimize(buffers, {.work = 300'000}).offsets);
}

TEST(ArenaSolver, NothingIsPlacedInNothing) {
  const Solution s = fit({}, 0, {});
  EXPECT_EQ(s.status, Status::solved);
  EXPECT_EQ(s.end, 0);
}

TEST(ArenaSolver, GoesToTheLargestSizes) {
  const int64_t half = int64_t{1} << 61;
  const std::vector<Buffer> buffers = {{"a", {INT64_MIN, INT64_MAX}, half, {}}, {"b", {-1, 1}, half, {}}};
  EXPECT_EQ(fit(buffers, 2 * half, {}).end, 2 * half);
  EXPECT_EQ(fit(buffers, INT64_MAX, {}).status, Status::solved);
  EXPECT_EQ(fit(buffers, 2 * half - 1, {}).status, Status::infeasible);
}

class Challenging : public testing::TestWithParam<const char*> {};

TEST_P(Challenging, IsSolved) {
  const std::string path = std::string(TIDEMARK_TEST_DATA "/arena/") + GetParam() + ".1048576.csv";
  const auto buffers = parse_csv(read_text_file(path, "cannot read"), path);
  const Solution s = fit(buffers, 1'048'576, {.work = 2'000'000'000});
  ASSERT_EQ(s.status, Status::solved);
  EXPECT_EQ(check(buffers, s.offsets, 1'048'576), "");
}

INSTANTIATE_TEST_SUITE_P(MiniMalloc, Challenging, testing::Values("A", "C", "E", "G", "I", "K"));

TEST(ArenaProblemCheck, NamesWhatIsWrong) {
  const std::vector<Buffer> two = {{"a", {0, 5}, 4, {{{1, 2}, {}}}}, {"b", {1, 2}, 4, {}}};
  EXPECT_EQ(check(two, {0, 0}, 4), "");
  EXPECT_EQ(check(two, {0, 1}, 4), "buffer 'b' lies outside of the 4 bytes");
  const std::vector<Buffer> clash = {{"a", {0, 5}, 4, {{{1, 2}, Interval{0, 2}}}}, {"b", {1, 2}, 4, {}}};
  EXPECT_EQ(check(clash, {0, 1}, 9), "buffer 'b' overlaps buffer 'a'");
  EXPECT_EQ(check(clash, {0, 2}, 9), "");
  EXPECT_EQ(check(clash, {0}, 9), "there is not one offset for each buffer");
}

}  // namespace
}  // namespace tidemark::arena
