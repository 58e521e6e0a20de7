// Attention and its gradient against softmax attention written out in float64, and against a reference.
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/error.h"
#include "base/file.h"
#include "executor/io/safetensors.h"
#include "executor/ops/attention_device.h"
#include "graph/cpu_workspace.h"
#include "tests/executor/op_case.h"
#include "tests/executor/op_device.h"
#include "tests/scratch.h"

namespace tidemark {
namespace {

using test::OpCase;
using test::Values;
using ::testing::HasSubstr;

struct Problem {
  int64_t heads = 1, kv_heads = 1, dim = 8;
  bool causal = true;
  std::vector<int32_t> lengths;
  std::vector<int32_t> key_lengths = {};  ///< empty: keys are of the queries' sequences
  double scale = 0.3;
  double amplitude = 1;  ///< of q and k
  DType dtype = DType::f32;
  int64_t value_dim = 0;  ///< 0: as dim

  int64_t value_columns() const { return value_dim == 0 ? dim : value_dim; }
  int64_t tokens() const { return std::accumulate(lengths.begin(), lengths.end(), int64_t{0}); }
  bool cross() const { return !key_lengths.empty(); }
  int64_t keys() const {
    return std::accumulate(key_lengths.begin(), key_lengths.end(), cross() ? int64_t{0} : tokens());
  }
  static std::vector<int32_t> boundaries(const std::vector<int32_t>& lengths) {
    std::vector<int32_t> cu{0};
    for (int32_t n : lengths) cu.push_back(cu.back() + n);
    return cu;
  }
  std::vector<int32_t> cu_seqlens() const { return boundaries(lengths); }
  std::vector<int32_t> cu_seqlens_k() const { return boundaries(cross() ? key_lengths : lengths); }
  /// The last inputs of an op.
  void add_boundaries(OpCase& op) const {
    op.ints(cu_seqlens());
    if (cross()) op.ints(cu_seqlens_k());
  }
  Attributes attributes() const {
    return {{"heads", heads}, {"kv_heads", kv_heads}, {"causal", causal}, {"scale", scale}};
  }
  Shape q_shape() const { return {tokens(), heads * dim}; }
  Shape o_shape() const { return {tokens(), heads * value_columns()}; }
  Shape k_shape() const { return {keys(), kv_heads * dim}; }
  Shape v_shape() const { return {keys(), kv_heads * value_columns()}; }
};

/// Both passes; o takes part in the backward pass as stored.
struct Oracle {
  Values o, lse, dq, dk, dv;
  /// Of each, the sum of its terms' absolute values.
  Values o_terms, dq_terms, dk_terms, dv_terms;

  Oracle(const Problem& p, const Values& q, const Values& k, const Values& v, const Values& d_o)
      : o(d_o.size()),
        lse(static_cast<size_t>(p.heads * p.tokens())),
        dq(q.size()),
        dk(k.size()),
        dv(v.size()),
        o_terms(d_o.size()),
        dq_terms(q.size()),
        dk_terms(k.size()),
        dv_terms(v.size()) {
    const std::vector<int32_t> cu = p.cu_seqlens(), cu_k = p.cu_seqlens_k();
    for (size_t s = 0; s + 1 < cu.size(); ++s)
      for (int64_t head = 0; head < p.heads; ++head)
        for (int64_t i = cu[s]; i < cu[s + 1]; ++i) row(p, q, k, v, d_o, head, i, cu_k[s], cu_k[s + 1]);
  }

 private:
  static void add(double term, size_t at, Values& sums, Values& terms) {
    sums[at] += term;
    terms[at] += std::abs(term);
  }

  void row(const Problem& p, const Values& q, const Values& k, const Values& v, const Values& d_o,
           int64_t head, int64_t i, int64_t begin, int64_t end) {
    const auto q_at = [&](int64_t d) { return static_cast<size_t>((i * p.heads + head) * p.dim + d); };
    const auto key_at = [&](int64_t j) { return j * p.kv_heads + head / (p.heads / p.kv_heads); };
    const auto k_at = [&](int64_t j, int64_t d) { return static_cast<size_t>(key_at(j) * p.dim + d); };
    const auto v_at = [&](int64_t j, int64_t d) {
      return static_cast<size_t>(key_at(j) * p.value_columns() + d);
    };
    const auto o_at = [&](int64_t d) {
      return static_cast<size_t>((i * p.heads + head) * p.value_columns() + d);
    };
    if (p.causal) end = i + 1;
    if (begin == end) {
      lse[static_cast<size_t>(head * p.tokens() + i)] = -std::numeric_limits<double>::infinity();
      return;
    }
    Values scores;
    for (int64_t j = begin; j < end; ++j) {
      double s = 0;
      for (int64_t d = 0; d < p.dim; ++d) s += q[q_at(d)] * k[k_at(j, d)];
      scores.push_back(p.scale * s);
    }
    const double top = *std::max_element(scores.begin(), scores.end());
    double total = 0;
    for (double s : scores) total += std::exp(s - top);
    const double log_sum = top + std::log(total);
    lse[static_cast<size_t>(head * p.tokens() + i)] = log_sum;

    Values dp(scores.size());
    double delta = 0;
    for (int64_t j = begin; j < end; ++j) {
      const auto at = static_cast<size_t>(j - begin);
      const double probability = std::exp(scores[at] - log_sum);
      for (int64_t d = 0; d < p.value_columns(); ++d) {
        add(probability * v[v_at(j, d)], o_at(d), o, o_terms);
        add(probability * d_o[o_at(d)], v_at(j, d), dv, dv_terms);
        dp[at] += d_o[o_at(d)] * v[v_at(j, d)];
      }
    }
    for (int64_t d = 0; d < p.value_columns(); ++d)
      delta += d_o[o_at(d)] * test::rounded_to(p.dtype, o[o_at(d)]);
    for (int64_t j = begin; j < end; ++j) {
      const auto at = static_cast<size_t>(j - begin);
      const double ds = p.scale * std::exp(scores[at] - log_sum) * (dp[at] - delta);
      for (int64_t d = 0; d < p.dim; ++d) {
        add(ds * k[k_at(j, d)], q_at(d), dq, dq_terms);
        add(ds * q[q_at(d)], k_at(j, d), dk, dk_terms);
      }
    }
  }
};

void check(const Problem& p, double relative = 0) {
  SCOPED_TRACE(std::to_string(p.heads) + "/" + std::to_string(p.kv_heads) + " heads of " +
               std::to_string(p.dim) + (p.causal ? ", causal, " : ", ") + std::to_string(p.tokens()) +
               " tokens");
  OpCase forward("attention", p.attributes(), p.dtype);
  forward.random(p.q_shape(), p.amplitude).random(p.k_shape(), p.amplitude).random(p.v_shape());
  p.add_boundaries(forward);
  OpCase backward("attention_grad", p.attributes(), p.dtype);
  backward.random(p.o_shape());
  const auto& in = forward.inputs();
  const Oracle oracle(p, in[0], in[1], in[2], backward.inputs()[0]);
  forward.check({oracle.o, oracle.lse}, relative);
  backward.floats(p.q_shape(), in[0]).floats(p.k_shape(), in[1]).floats(p.v_shape(), in[2]);
  backward.floats(p.o_shape(), oracle.o).f32({p.heads, p.tokens()}, oracle.lse);
  p.add_boundaries(backward);
  backward.check({oracle.dq, oracle.dk, oracle.dv}, relative);
}

TEST(Attention, AgreesWithSoftmaxWrittenOut) {
  for (bool causal : {true, false}) {
    check({.heads = 2, .kv_heads = 2, .dim = 32, .causal = causal, .lengths = {150}});
    check({.heads = 4, .kv_heads = 2, .dim = 16, .causal = causal, .lengths = {70, 3, 130}});
    check({.heads = 3, .kv_heads = 1, .dim = 40, .causal = causal, .lengths = {65, 64, 63}});
  }
}

TEST(Attention, TakesAnyHeadDimension) {
  for (int64_t dim : {1, 7, 24, 33, 80, 128, 200, 256})
    check({.heads = 2, .kv_heads = 1, .dim = dim, .lengths = {37, 40}, .scale = 1 / std::sqrt(double(dim))});
}

TEST(Attention, TakesValuesOfAnotherWidthThanKeys) {
  for (const auto& [dim, value_dim] : {std::pair{int64_t{48}, int64_t{32}}, {20, 10}, {7, 100}, {192, 128}})
    check({.heads = 2,
           .kv_heads = 1,
           .dim = dim,
           .causal = dim != 20,
           .lengths = {37, 40},
           .scale = 1 / std::sqrt(double(dim)),
           .value_dim = value_dim});
  check({.heads = 2, .kv_heads = 2, .dim = 24, .lengths = {70, 3}, .dtype = DType::bf16, .value_dim = 16},
        2e-2);
}

TEST(Attention, TakesSequencesOfAnyLength) {
  for (bool causal : {true, false}) {
    check({.dim = 8, .causal = causal, .lengths = {1, 2}});
    check({.dim = 8, .causal = causal, .lengths = {0, 5, 0, 0, 1, 1, 20, 0}});
    check({.heads = 2, .dim = 8, .causal = causal, .lengths = {63, 1, 2, 64, 65, 0, 129}});
    std::vector<int32_t> lengths(100, 1);
    lengths.back() = 30;
    check({.dim = 8, .causal = causal, .lengths = lengths});
  }
}

TEST(Attention, KeysMayHaveSequencesOfTheirOwn) {
  check({.heads = 2, .kv_heads = 2, .causal = false, .lengths = {5}, .key_lengths = {150}});
  check({.heads = 2, .kv_heads = 2, .causal = false, .lengths = {150}, .key_lengths = {5}});
  check({.heads = 4,
         .kv_heads = 2,
         .dim = 16,
         .causal = false,
         .lengths = {70, 3, 130, 0, 9},
         .key_lengths = {2, 129, 65, 7, 64}});
  std::vector<int32_t> lengths(90, 1), key_lengths(90, 2);
  key_lengths[70] = 100;
  check({.heads = 2, .causal = false, .lengths = lengths, .key_lengths = key_lengths});
  check({.heads = 4,
         .kv_heads = 2,
         .dim = 24,
         .causal = false,
         .lengths = {70, 3, 0, 50},
         .key_lengths = {20, 81, 4, 66},
         .dtype = DType::bf16},
        2e-2);
}

void expect_zero_of_no_keys(DType dtype, test::OpDevice* device) {
  const Problem p{.heads = 2, .causal = false, .lengths = {3, 70, 2}, .key_lengths = {4, 0, 9}};
  OpCase forward("attention", p.attributes(), dtype);
  forward.random(p.q_shape()).random(p.k_shape()).random(p.v_shape());
  p.add_boundaries(forward);
  const std::vector<Values> out = forward.run({.device = device});
  const auto row = [&](const Values& x, int64_t first, int64_t rows) {
    return Values(x.begin() + first * 16, x.begin() + (first + rows) * 16);
  };
  EXPECT_EQ(row(out[0], 3, 70), Values(70 * 16));
  EXPECT_EQ(out[1][3], -std::numeric_limits<double>::infinity());

  OpCase backward("attention_grad", p.attributes(), dtype);
  backward.random(p.q_shape());
  backward.floats(p.q_shape(), forward.inputs()[0]).floats(p.k_shape(), forward.inputs()[1]);
  backward.floats(p.v_shape(), forward.inputs()[2]).floats(p.q_shape(), out[0]);
  backward.f32({p.heads, p.tokens()}, out[1]);
  p.add_boundaries(backward);
  const std::vector<Values> gradients = backward.run({.device = device});
  EXPECT_EQ(row(gradients[0], 3, 70), Values(70 * 16));
  for (const Values& gradient : gradients)
    for (double x : gradient) EXPECT_TRUE(std::isfinite(x));
}

TEST(Attention, OfNoKeysIsZero) {
  for (DType dtype : {DType::f32, DType::bf16}) {
    expect_zero_of_no_keys(dtype, nullptr);
    for (const auto& device : test::op_devices()) expect_zero_of_no_keys(dtype, device.get());
  }
}

TEST(Attention, RefusesAMaskAcrossSequences) {
  Graph graph;
  const auto floats = [&](const char* name, int64_t rows) {
    return graph.add_source(name, {DType::f32, {rows, 8}}, Category::input);
  };
  const auto ints = [&](const char* name, int64_t n) {
    return graph.add_source(name, {DType::i32, {n}}, Category::input);
  };
  const ValueId q = floats("q", 5), k = floats("k", 7), v = floats("v", 7), other = floats("other", 6);
  const ValueId cu = ints("cu", 3), cu_k = ints("cu_k", 3), longer = ints("longer", 4);
  const auto message = [&](std::vector<ValueId> inputs, bool causal) {
    return message_of<Error>([&] {
      graph.add({"attention",
                 "o",
                 std::move(inputs),
                 {{"heads", int64_t{1}}, {"kv_heads", int64_t{1}}, {"causal", causal}, {"scale", 1.0}}});
    });
  };
  EXPECT_THAT(message({q, k, v, cu, cu_k}, true), HasSubstr("causal"));
  EXPECT_THAT(message({q, k, v, cu}, false), HasSubstr(": k: is f32[7, 8]"));
  EXPECT_THAT(message({q, k, other, cu, cu_k}, false), HasSubstr(": v: is f32[6, 8]"));
  EXPECT_THAT(message({q, k, v, cu, longer}, false), HasSubstr("cu_seqlens_k"));
}

TEST(Attention, StoresBf16) {
  check({.heads = 4, .kv_heads = 2, .dim = 24, .lengths = {70, 3, 0, 50}, .dtype = DType::bf16}, 2e-2);
  check({.heads = 2, .kv_heads = 2, .dim = 33, .causal = false, .lengths = {90}, .dtype = DType::bf16}, 2e-2);
}

/// Kernels on tensor cores round to bf16 what they multiply, probabilities and the gradients of scores, and
/// then the sum: each is wrong by at most 2^-8 of itself.
void expect_rounded(const char* what, const Values& result, const Values& sums, const Values& terms) {
  ASSERT_EQ(result.size(), sums.size());
  for (size_t i = 0; i < sums.size(); ++i)
    ASSERT_NEAR(result[i], sums[i], 1.01 * 0x1p-8 * (terms[i] + std::abs(sums[i])) + 1e-5) << what << i;
}

/// Of bf16, on devices. Those whose blocks have the same shared memory must agree to the bit, which the
/// host's two do if no lane depends on others' order.
void check_on_tensor_cores(Problem p) {
  SCOPED_TRACE(std::to_string(p.heads) + "/" + std::to_string(p.kv_heads) + " heads of " +
               std::to_string(p.dim) + (p.causal ? ", causal, " : ", ") + std::to_string(p.tokens()) +
               " tokens");
  p.scale = 1 / std::sqrt(double(p.dim));
  p.dtype = DType::bf16;
  OpCase forward("attention", p.attributes(), p.dtype), backward("attention_grad", p.attributes(), p.dtype);
  forward.random(p.q_shape()).random(p.k_shape()).random(p.v_shape());
  p.add_boundaries(forward);
  backward.random(p.o_shape());
  const auto& in = forward.inputs();
  const Oracle oracle(p, in[0], in[1], in[2], backward.inputs()[0]);
  backward.floats(p.q_shape(), in[0]).floats(p.k_shape(), in[1]).floats(p.v_shape(), in[2]);
  backward.floats(p.o_shape(), oracle.o).f32({p.heads, p.tokens()}, oracle.lse);
  p.add_boundaries(backward);
  std::map<int64_t, std::pair<std::vector<Values>, std::vector<Values>>> first;
  for (const auto& device : test::op_devices()) {
    SCOPED_TRACE("on " + device->name());
    const std::vector<Values> out = forward.run({.device = device.get()});
    expect_rounded("o", out[0], oracle.o, oracle.o_terms);
    // What is saved of a row is not rounded.
    for (size_t i = 0; i < out[1].size(); ++i) ASSERT_NEAR(out[1][i], oracle.lse[i], 1e-5) << i;
    const std::vector<Values> gradients = backward.run({.device = device.get()});
    expect_rounded("dq", gradients[0], oracle.dq, oracle.dq_terms);
    expect_rounded("dk", gradients[1], oracle.dk, oracle.dk_terms);
    expect_rounded("dv", gradients[2], oracle.dv, oracle.dv_terms);
    const auto& [first_out, first_gradients] =
        first.try_emplace(device->shared_bytes(), out, gradients).first->second;
    EXPECT_EQ(out, first_out);
    EXPECT_EQ(gradients, first_gradients);
  }
}

// Every width that there are kernels of, and ones between, over blocks of 128 rows.
TEST(Attention, OnTensorCores) {
  check_on_tensor_cores({.heads = 4, .kv_heads = 2, .dim = 64, .lengths = {70, 3, 130, 0, 9}});
  check_on_tensor_cores({.heads = 2, .kv_heads = 2, .dim = 80, .lengths = {37, 41}});
  check_on_tensor_cores({.heads = 2, .kv_heads = 1, .dim = 128, .lengths = {150}});
  check_on_tensor_cores({.dim = 192, .lengths = {40, 33}, .value_dim = 128});
  check_on_tensor_cores({.dim = 256, .lengths = {75}});
}

// Of a head of keys for each eight of queries, dk and dv are the sums of two parts; of ones that are not
// there, too.
TEST(Attention, OnTensorCoresWithManyHeadsOfQueries) {
  check_on_tensor_cores({.heads = 8, .kv_heads = 1, .dim = 64, .lengths = {40, 30}});
  check_on_tensor_cores({.heads = 16, .kv_heads = 2, .dim = 256, .causal = false, .lengths = {5}});
  check_on_tensor_cores(
      {.heads = 8, .kv_heads = 1, .dim = 16, .causal = false, .lengths = {90, 0}, .key_lengths = {3, 4}});
  ops::DeviceAttention<Bf16> a;
  a.tokens = a.keys = 8192;
  a.heads = 32;
  a.dim = a.value_dim = 64;
  const auto parts = [&](int64_t kv_heads) {
    a.kv_heads = kv_heads;
    return ops::GradParts::count_of(ops::WarpAttention(a), 64 * kv_heads);
  };
  EXPECT_EQ(parts(1), 8);
  EXPECT_EQ(parts(4), 2);
  EXPECT_EQ(parts(8), 1);
  EXPECT_EQ(parts(16), 1);
}

TEST(Attention, OnTensorCoresWithoutAMask) {
  check_on_tensor_cores({.heads = 4,
                         .kv_heads = 2,
                         .dim = 64,
                         .causal = false,
                         .lengths = {70, 3, 130, 1, 9},
                         .key_lengths = {2, 129, 65, 7, 64}});
  check_on_tensor_cores({.heads = 2, .kv_heads = 2, .dim = 96, .causal = false, .lengths = {64, 65}});
  check_on_tensor_cores({.dim = 128, .causal = false, .lengths = {5}, .key_lengths = {150}});
  check_on_tensor_cores({.dim = 136, .causal = false, .lengths = {130}, .key_lengths = {5}, .value_dim = 72});
  check_on_tensor_cores({.heads = 2, .kv_heads = 1, .dim = 200, .causal = false, .lengths = {33, 100}});
  check_on_tensor_cores({.dim = 8, .causal = false, .lengths = std::vector<int32_t>(90, 1)});
}

TEST(Attention, TakesTensorCoresWhereOperandsLetIt) {
  const auto on = [](int64_t dim, int64_t value_dim, float scale) {
    ops::DeviceAttention<Bf16> a;
    a.dim = dim;
    a.value_dim = value_dim;
    a.scale = scale;
    return ops::on_tensor_cores(a);
  };
  EXPECT_TRUE(on(128, 128, 0.1f));
  EXPECT_TRUE(on(192, 128, 0.1f));
  EXPECT_TRUE(on(72, 8, 0.1f));
  EXPECT_FALSE(on(33, 64, 0.1f));
  EXPECT_FALSE(on(64, 33, 0.1f));
  EXPECT_FALSE(on(64, 64, -0.1f));
  ops::DeviceAttention<float> a;
  a.dim = a.value_dim = 64;
  a.scale = 1;
  EXPECT_FALSE(ops::on_tensor_cores(a));
}

TEST(Attention, RowsFourKibibytesApart) {
  check({.heads = 8, .kv_heads = 8, .dim = 128, .lengths = {70}, .scale = 0.1});
}

// exp of these scores overflows and underflows; all but the largest of a row have no weight.
TEST(Attention, SurvivesHugeScores) {
  check({.heads = 2, .dim = 16, .lengths = {100}, .scale = 1, .amplitude = 30}, 2e-3);
  check({.heads = 2, .dim = 16, .causal = false, .lengths = {100}, .scale = -1, .amplitude = 30}, 2e-3);
  for (double scale : {1, -1}) {
    const Problem p{
        .heads = 2, .dim = 16, .lengths = {100}, .scale = scale, .amplitude = 30, .dtype = DType::bf16};
    OpCase forward("attention", p.attributes(), p.dtype);
    forward.random(p.q_shape(), p.amplitude).random(p.k_shape(), p.amplitude).random(p.v_shape());
    p.add_boundaries(forward);
    const auto& in = forward.inputs();
    const Oracle oracle(p, in[0], in[1], in[2], Values(static_cast<size_t>(p.o_shape().elements())));
    forward.check({oracle.o, oracle.lse});
  }
}

TEST(Attention, GivesASequenceTheSameBitsWhereverItStands) {
  const Problem alone{.heads = 2, .kv_heads = 1, .dim = 16, .lengths = {100}};
  Problem packed = alone;
  packed.lengths = {29, 100, 13};
  OpCase whole("attention", packed.attributes());
  whole.random(packed.q_shape()).random(packed.k_shape()).random(packed.v_shape()).ints(packed.cu_seqlens());
  OpCase part("attention", alone.attributes());
  const auto slice = [&](const Values& x, int64_t columns) {
    return Values(x.begin() + 29 * columns, x.begin() + 129 * columns);
  };
  part.floats(alone.q_shape(), slice(whole.inputs()[0], 32));
  part.floats(alone.k_shape(), slice(whole.inputs()[1], 16));
  part.floats(alone.v_shape(), slice(whole.inputs()[2], 16)).ints(alone.cu_seqlens());
  EXPECT_EQ(part.run({})[0], slice(whole.run({})[0], 32));
}

TEST(Attention, WorkspaceOfTheGradientGrowsWithTokensNotTheirSquare) {
  const auto bytes = [](int64_t tokens) {
    return cpu::attention_grad_space(tokens, tokens, 8, 2, 64, 64, DType::bf16).total(2);
  };
  EXPECT_LT(bytes(4096), 2 * bytes(2048));
  EXPECT_EQ(bytes(1 << 20) - bytes(1 << 19), 2 * (bytes(1 << 19) - bytes(1 << 18)));
}

/// (batch, heads, length, dim) to rows of tokens.
Values as_rows(const Values& x, int64_t batch, int64_t heads, int64_t length, int64_t dim) {
  Values rows(x.size());
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t t = 0; t < length; ++t)
        for (int64_t d = 0; d < dim; ++d)
          rows[static_cast<size_t>(((b * length + t) * heads + h) * dim + d)] =
              x[static_cast<size_t>(((b * heads + h) * length + t) * dim + d)];
  return rows;
}

// PyTorch in float64; see tests/data/README.md.
TEST(Attention, AgreesWithTheReference) {
  const std::string base = std::string(TIDEMARK_TEST_DATA) + "/parity/attention";
  const TensorReader reader(base + ".safetensors");
  const nlohmann::json facts = nlohmann::json::parse(read_text_file(base + ".json", "test"));
  int checked = 0;
  for (const nlohmann::json& c : facts["cases"]) {
    if (c["Lq"] != c["Lk"]) continue;  // self-attention only
    SCOPED_TRACE(c["name"]);
    const int64_t batch = c["B"], length = c["Lq"];
    Problem p{.heads = c["H"],
              .kv_heads = c["Hk"],
              .dim = c["d"],
              .causal = c["causal"],
              .lengths = {},
              .scale = c["scale"],
              .value_dim = c["dv"]};
    if (c.contains("lens"))
      p.lengths = c["lens"].get<std::vector<int32_t>>();
    else
      p.lengths.assign(static_cast<size_t>(batch), static_cast<int32_t>(length));
    const auto tensor = [&](const std::string& name) {
      const StoredTensor& t = reader.require(std::string(c["name"]) + "/" + name);
      const int64_t heads = t.shape[1], dim = t.shape.size() > 3 ? t.shape[3] : 1;
      std::vector<float> x(static_cast<size_t>(batch * heads * length * dim));
      reader.read(
          t.name,
          {DType::f32, t.shape.size() > 3 ? Shape{batch, heads, length, dim} : Shape{batch, heads, length}},
          x.data());
      return as_rows(Values(x.begin(), x.end()), batch, heads, length, dim);
    };
    Values lse(static_cast<size_t>(p.heads * p.tokens()));
    const Values lse_rows = tensor("lse");
    for (int64_t t = 0; t < p.tokens(); ++t)
      for (int64_t h = 0; h < p.heads; ++h)
        lse[static_cast<size_t>(h * p.tokens() + t)] = lse_rows[static_cast<size_t>(t * p.heads + h)];
    OpCase forward("attention", p.attributes());
    forward.floats(p.q_shape(), tensor("q")).floats(p.k_shape(), tensor("k"));
    forward.floats(p.v_shape(), tensor("v")).ints(p.cu_seqlens());
    forward.check({tensor("o"), lse}, 2e-5);
    OpCase backward("attention_grad", p.attributes());
    backward.floats(p.o_shape(), tensor("do")).floats(p.q_shape(), tensor("q"));
    backward.floats(p.k_shape(), tensor("k")).floats(p.v_shape(), tensor("v"));
    backward.floats(p.o_shape(), tensor("o")).f32({p.heads, p.tokens()}, lse).ints(p.cu_seqlens());
    backward.check({tensor("dq"), tensor("dk"), tensor("dv")}, 1e-4);
    ++checked;
  }
  EXPECT_EQ(checked, 5);
}

}  // namespace
}  // namespace tidemark
