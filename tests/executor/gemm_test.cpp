// The matrix product against float64 on random shapes and in every form, and that its tasks may be cut in
// any way.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <optional>
#include <random>

#include "executor/cpu/gemm.h"
#include "executor/cpu/thread_pool.h"
#include "tests/executor/op_case.h"

namespace tidemark::test {
namespace {

/// A matrix as a kernel stores it, and what it holds.
struct Matrix {
  Values values;
  std::vector<std::byte> bytes;

  Matrix(DType dtype, int64_t elements, std::mt19937& random) {
    std::normal_distribution<double> normal;
    for (int64_t i = 0; i < elements; ++i) values.push_back(rounded_to(dtype, normal(random)));
    const size_t item = static_cast<size_t>(size_of(dtype));
    bytes.resize(values.size() * item);
    for (size_t i = 0; i < values.size(); ++i) {
      const auto bits = std::bit_cast<uint32_t>(static_cast<float>(values[i]));
      const auto half = static_cast<uint16_t>(bits >> 16);
      std::memcpy(&bytes[i * item], dtype == DType::bf16 ? static_cast<const void*>(&half) : &bits, item);
    }
  }
};

double element(const std::vector<std::byte>& bytes, bool bf16, int64_t i) {
  if (!bf16) {
    float f;
    std::memcpy(&f, &bytes[static_cast<size_t>(i) * 4], 4);
    return static_cast<double>(f);
  }
  uint16_t half;
  std::memcpy(&half, &bytes[static_cast<size_t>(i) * 2], 2);
  return static_cast<double>(std::bit_cast<float>(static_cast<uint32_t>(half) << 16));
}

/// One random product: operands in a random form inside larger matrices.
class Product {
 public:
  explicit Product(unsigned seed) : random_(seed) {
    const int64_t sizes[] = {1, 2, 7, 13, 14, 15, 31, 33, 64, 100, 257, 350, 700};
    const auto any = [&] { return sizes[draw(std::size(sizes))]; };
    g_.m = any();
    g_.n = any();
    g_.k = any();
    g_.a_transposed = draw(2);
    g_.b_transposed = draw(2);
    g_.a_bf16 = draw(2);
    g_.b_bf16 = draw(2);
    g_.c_bf16 = draw(2);
    g_.bias_bf16 = draw(2);
    a_rows_ = row_map(g_.a_transposed && draw(3) == 0);
    b_rows_ = row_map(!g_.b_transposed && draw(3) == 0);
    g_.a_rows = a_rows_.empty() ? nullptr : a_rows_.data();
    g_.b_rows = b_rows_.empty() ? nullptr : b_rows_.data();
    // One in four of the strides is one that makes the product copy A.
    g_.lda = draw(4) == 0 ? 1024 : (g_.a_transposed ? g_.m : g_.k) + draw(5);
    g_.ldb = (g_.b_transposed ? g_.k : g_.n) + draw(5);
    g_.ldc = g_.n + draw(5);
    const int64_t k = a_rows_.empty() && b_rows_.empty() ? g_.k : 2 * g_.k;
    a_.emplace(dtype(g_.a_bf16), (g_.a_transposed ? k : g_.m) * g_.lda, random_);
    b_.emplace(dtype(g_.b_bf16), (g_.b_transposed ? g_.n : k) * g_.ldb, random_);
    g_.a = a_->bytes.data();
    g_.b = b_->bytes.data();
    if (draw(2)) bias_.emplace(dtype(g_.bias_bf16), g_.n, random_);
    if (bias_) g_.bias = bias_->bytes.data();
    in_place_ = draw(2);
    g_.ld_start = in_place_ ? g_.ldc : g_.n + draw(5);
    if (in_place_ || draw(2)) start_.emplace(dtype(g_.c_bf16), g_.m * g_.ld_start, random_);
  }

  double expected(int64_t i, int64_t j, double* size) const {
    const auto row = [](const std::vector<int32_t>& rows, int64_t p) {
      return rows.empty() ? p : rows[static_cast<size_t>(p)];
    };
    double sum = (bias_ ? bias_->values[static_cast<size_t>(j)] : 0) +
                 (start_ ? start_->values[static_cast<size_t>(i * g_.ld_start + j)] : 0);
    *size = std::abs(sum);
    for (int64_t p = 0; p < g_.k; ++p) {
      const int64_t at_a = g_.a_transposed ? row(a_rows_, p) * g_.lda + i : i * g_.lda + p;
      const int64_t at_b = g_.b_transposed ? j * g_.ldb + p : row(b_rows_, p) * g_.ldb + j;
      const double term = a_->values[static_cast<size_t>(at_a)] * b_->values[static_cast<size_t>(at_b)];
      sum += term;
      *size += std::abs(term);
    }
    return sum;
  }

  /// C in its place among bytes that are not the product's.
  std::vector<std::byte> run(int threads) {
    const int64_t item = size_of(dtype(g_.c_bf16));
    std::vector<std::byte> c(static_cast<size_t>(g_.m * g_.ldc * item), std::byte{0x55});
    if (in_place_) c = start_->bytes;
    g_.c = c.data();
    g_.start = in_place_ ? c.data() : start_ ? start_->bytes.data() : nullptr;
    const int64_t bytes = cpu::gemm_scratch(
        g_.m, g_.n, g_.k, cpu::gemm_copies_a(g_.a_bf16, g_.a_transposed, g_.lda), g_.c_bf16, threads);
    std::vector<std::byte> scratch(static_cast<size_t>(bytes) + 64, std::byte{0xff});
    ThreadPool pool(threads);
    cpu::gemm(g_, scratch.data(), &pool);
    for (size_t i = static_cast<size_t>(bytes); i < scratch.size(); ++i)
      EXPECT_EQ(scratch[i], std::byte{0xff}) << "wrote past the scratch memory";
    return c;
  }

  const cpu::Gemm& gemm() const { return g_; }

 private:
  int64_t draw(size_t n) { return static_cast<int64_t>(random_() % n); }
  static DType dtype(bool bf16) { return bf16 ? DType::bf16 : DType::f32; }
  std::vector<int32_t> row_map(bool wanted) {
    std::vector<int32_t> rows;
    for (int64_t p = 0; wanted && p < g_.k; ++p) rows.push_back(static_cast<int32_t>(draw(2 * g_.k)));
    return rows;
  }

  std::mt19937 random_;
  cpu::Gemm g_;
  std::vector<int32_t> a_rows_, b_rows_;
  std::optional<Matrix> a_, b_, bias_, start_;
  bool in_place_ = false;
};

class GemmTest : public ::testing::TestWithParam<cpu::Isa> {
 protected:
  void SetUp() override {
    before_ = cpu::isa();
    if (!cpu::isa_available(GetParam())) GTEST_SKIP() << "this machine lacks the instruction set";
    cpu::set_isa(GetParam());
  }
  void TearDown() override { cpu::set_isa(before_); }

 private:
  cpu::Isa before_{};
};

INSTANTIATE_TEST_SUITE_P(Isa, GemmTest, ::testing::Values(cpu::Isa::avx2, cpu::Isa::avx512),
                         [](const auto& test) { return test.param == cpu::Isa::avx2 ? "avx2" : "avx512"; });

TEST_P(GemmTest, RandomProductsMatchFloat64) {
  for (unsigned seed = 0; seed < 150; ++seed) {
    SCOPED_TRACE(seed);
    Product product(seed);
    const cpu::Gemm& g = product.gemm();
    const std::vector<std::byte> c = product.run(1);
    for (int64_t i = 0; i < g.m; ++i)
      for (int64_t j = 0; j < g.n; ++j) {
        double size = 0;
        const double expected = product.expected(i, j, &size);
        const double margin = size * 1e-6 + (g.c_bf16 ? std::abs(expected) / 250 : 0);
        ASSERT_NEAR(element(c, g.c_bf16, i * g.ldc + j), expected, margin) << i << ", " << j;
      }
  }
}

TEST_P(GemmTest, BitsAndSurroundingsDoNotDependOnThreads) {
  for (unsigned seed = 0; seed < 150; ++seed) {
    Product product(seed);
    const std::vector<std::byte> c = product.run(1);
    for (int threads : {2, 3, 7}) EXPECT_EQ(product.run(threads), c) << seed << ", " << threads << " threads";
    const cpu::Gemm& g = product.gemm();
    const int64_t item = g.c_bf16 ? 2 : 4;
    for (int64_t i = 0; i < g.m && g.start != g.c; ++i)
      for (int64_t b = g.n * item; b < g.ldc * item; ++b)
        ASSERT_EQ(c[static_cast<size_t>(i * g.ldc * item + b)], std::byte{0x55}) << "wrote beside C";
  }
}

// Memory is planned for so many threads, and a run may use fewer.
TEST(GemmTilesTest, ScratchForManyThreadsIsEnoughForFewer) {
  for (int64_t m : {1, 100, 1024, 5000})
    for (int64_t n : {1, 100, 704, 8192})
      for (int64_t k : {1, 256, 321, 4096})
        for (bool copy_a : {false, true})
          for (int threads = 1; threads <= 8; ++threads) {
            const int64_t planned = cpu::gemm_scratch(m, n, k, copy_a, true, threads);
            for (int t = 1; t <= threads; ++t) {
              const cpu::GemmTiles tiles = cpu::gemm_tiles(m, n, k, copy_a, true, t);
              EXPECT_LE(tiles.thread_bytes * std::min<int64_t>(t, tiles.rows * tiles.columns), planned);
            }
          }
}

}  // namespace
}  // namespace tidemark::test
