// Routing, the plan of it and products by expert against loops over tokens and experts in float64.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.h"
#include "tests/executor/op_case.h"
#include "tests/scratch.h"

namespace tidemark::test {
namespace {

using Choices = std::vector<int32_t>;

struct Router {
  int64_t experts = 8, top_k = 3, groups = 1, top_groups = 1;
  std::string function = "sigmoid";
  bool normalize = true;
  double scale = 2.5;

  Attributes attributes() const {
    return {{"top_k", top_k},       {"groups", groups},       {"top_groups", top_groups},
            {"function", function}, {"normalize", normalize}, {"scale", scale}};
  }
  /// Of a token's logits, in the order of the experts.
  Values scores(const double* logits) const {
    Values s;
    double sum = 0;
    for (int64_t e = 0; e < experts; ++e) {
      s.push_back(function == "sigmoid" ? 1 / (1 + std::exp(-logits[e])) : std::exp(logits[e]));
      sum += s.back();
    }
    if (function == "softmax")
      for (double& x : s) x /= sum;
    return s;
  }
  Choices chosen(const Values& scores, const Values& bias) const {
    Values by = scores;
    for (size_t e = 0; e < bias.size(); ++e) by[e] += bias[e];
    const auto size = static_cast<size_t>(experts / groups);
    std::vector<std::pair<double, size_t>> of_groups;
    for (size_t g = 0; g < static_cast<size_t>(groups); ++g) {
      Values own(by.begin() + static_cast<long>(g * size), by.begin() + static_cast<long>((g + 1) * size));
      std::sort(own.rbegin(), own.rend());
      of_groups.emplace_back(-(own[0] + (size > 1 ? own[1] : 0)), g);
    }
    std::sort(of_groups.begin(), of_groups.end());
    std::vector<std::pair<double, int32_t>> candidates;
    for (size_t i = 0; i < static_cast<size_t>(top_groups); ++i)
      for (size_t e = of_groups[i].second * size; e < (of_groups[i].second + 1) * size; ++e)
        candidates.emplace_back(-by[e], static_cast<int32_t>(e));
    std::sort(candidates.begin(), candidates.end());
    Choices choices;
    for (size_t k = 0; k < static_cast<size_t>(top_k); ++k) choices.push_back(candidates[k].second);
    return choices;
  }
  Values weights(const Values& scores, const int32_t* choices) const {
    Values w;
    for (int64_t k = 0; k < top_k; ++k) w.push_back(scores[static_cast<size_t>(choices[k])]);
    const double sum = std::accumulate(w.begin(), w.end(), 0.0);
    for (double& x : w) x *= scale / (normalize ? sum : 1);
    return w;
  }
};

const std::vector<Router> kRouters = {
    {},
    {.experts = 1, .top_k = 1, .normalize = false},
    {.experts = 64, .top_k = 6, .scale = 2.446},
    {.experts = 24, .top_k = 4, .groups = 4, .top_groups = 2},
    {.experts = 6, .top_k = 2, .groups = 6, .top_groups = 3, .function = "softmax"},
    {.experts = 9, .top_k = 9, .function = "softmax", .normalize = false, .scale = 1},
};

TEST(MoeRoute, ChoosesAndWeightsAsWrittenOut) {
  for (const Router& r : kRouters)
    for (bool biased : {false, true}) {
      OpCase op("moe_route", r.attributes());
      op.random({70, r.experts});
      if (biased) op.random({r.experts});
      Values weights, experts;
      for (int64_t t = 0; t < 70; ++t) {
        const Values scores = r.scores(&op.inputs()[0][static_cast<size_t>(t * r.experts)]);
        const Choices choices = r.chosen(scores, biased ? op.inputs()[1] : Values{});
        for (double w : r.weights(scores, choices.data())) weights.push_back(w);
        experts.insert(experts.end(), choices.begin(), choices.end());
      }
      op.check({weights, experts});
    }
}

TEST(MoeRoute, GradientIsThatOfTheChosenScores) {
  for (const Router& r : kRouters) {
    OpCase op("moe_route_grad", r.attributes());
    op.random({5, r.top_k}).random({5, r.experts});
    const Values &dweights = op.inputs()[0], &logits = op.inputs()[1];
    Choices experts;
    Values expected;
    for (int64_t t = 0; t < 5; ++t) {
      Values own(&logits[static_cast<size_t>(t * r.experts)],
                 &logits[static_cast<size_t>(t * r.experts)] + r.experts);
      const Choices choices = r.chosen(r.scores(own.data()), {});
      experts.insert(experts.end(), choices.begin(), choices.end());
      const auto loss = [&] {
        const Values w = r.weights(r.scores(own.data()), choices.data());
        return std::inner_product(w.begin(), w.end(), &dweights[static_cast<size_t>(t * r.top_k)], 0.0);
      };
      for (double& x : own) {
        const double at = x, h = 1e-5;
        x = at + h;
        const double after = loss();
        x = at - h;
        expected.push_back((after - loss()) / (2 * h));
        x = at;
      }
    }
    op.ints(experts);
    op.check({expected}, 2e-5);
  }
}

TEST(MoeRoute, OfEqualOnesTakesTheFirstAndOfNoNumbersExpertsThereAre) {
  const Router r{.experts = 4, .top_k = 2, .normalize = false, .scale = 1};
  const double nan = std::numeric_limits<double>::quiet_NaN();
  OpCase op("moe_route", r.attributes());
  op.floats({3, 4}, {0, 0, 0, 0, -1, 3, -1, 3, nan, nan, nan, nan});
  const Values experts = op.run({})[1];
  EXPECT_EQ(Values(experts.begin(), experts.begin() + 4), (Values{0, 1, 1, 3}));
  for (double e : experts) EXPECT_TRUE(e >= 0 && e < 4) << e;
}

TEST(MoeRoute, RefusesWhatCannotBeChosen) {
  const auto refusal = [](const char* field, int64_t value) {
    Router r{.experts = 8, .top_k = 3, .groups = 4, .top_groups = 2};
    Attributes attributes = r.attributes();
    attributes.set(field, value);
    Graph graph;
    const ValueId logits = graph.add_source("logits", {DType::f32, {5, 8}}, Category::input);
    return message_of<Error>([&] { graph.add({"moe_route", "route", {logits}, attributes}); });
  };
  EXPECT_NE(refusal("top_k", 5).find("top_k: is 5, expected 1 to the 4 experts to choose from"),
            std::string::npos)
      << refusal("top_k", 5);
  EXPECT_NE(refusal("groups", 3).find("groups: is 3, expected a divisor of the 8 experts"),
            std::string::npos);
  EXPECT_NE(refusal("top_groups", 5).find("top_groups: is 5, expected 1 to 4"), std::string::npos);
}

/// The slots by expert, and where each expert's begin.
struct Plan {
  Choices slots, offsets;

  Plan(const Choices& experts, int64_t n_experts) {
    for (int32_t e = 0; e < n_experts; ++e) {
      offsets.push_back(static_cast<int32_t>(slots.size()));
      for (size_t i = 0; i < experts.size(); ++i)
        if (experts[i] == e) slots.push_back(static_cast<int32_t>(i));
    }
    offsets.push_back(static_cast<int32_t>(slots.size()));
  }
};

Values as_values(const Choices& ints) {
  return {ints.begin(), ints.end()};
}

/// Of `tokens` tokens, of which expert 1 gets none, and the last one a slot of every token.
Choices uneven(int64_t tokens, int64_t top_k, int64_t experts) {
  Choices choices;
  for (int64_t t = 0; t < tokens; ++t) {
    choices.push_back(static_cast<int32_t>(experts - 1));
    for (int64_t k = 1; k < top_k; ++k) {
      const int64_t e = (t * t + k) % (experts - 2);
      choices.push_back(static_cast<int32_t>(e < 1 ? 0 : e + 1));
    }
  }
  return choices;
}

TEST(MoeLoad, IsHowFarEachExpertIsFromTheMean) {
  const Choices experts = uneven(300, 3, 7);
  OpCase op("moe_load", {{"experts", int64_t{7}}});
  op.ints(experts);
  Values load(7, -900.0 / 7);
  for (int32_t e : experts) ++load[static_cast<size_t>(e)];
  op.check({load});
}

TEST(SignStep, MovesAgainstTheSignByTheStep) {
  OpCase op("sign_step", {{"step", 0.25}});
  op.f32({4}, {1, 2, 3, 4}).f32({4}, {-7, 0, 1e-30, 9});
  op.check({{1.25, 2, 2.75, 3.75}});
}

TEST(MoePlan, SortsSlotsByExpertAndKeepsTheirOrder) {
  for (const auto& [experts, n_experts] :
       {std::pair{uneven(300, 3, 7), int64_t{7}}, {Choices(50, 2), int64_t{4}}, {Choices{0}, int64_t{1}}}) {
    OpCase op("moe_plan", {{"experts", n_experts}});
    op.ints(experts);
    const Plan plan(experts, n_experts);
    op.check({as_values(plan.slots), as_values(plan.offsets)});
  }
}

struct Layer {
  int64_t tokens = 70, top_k = 3, experts = 5, outputs = 40, inputs = 33;
  bool combine = false;
  DType dtype = DType::f32;
  Choices choices = uneven(70, 3, 5);

  int64_t slots() const { return tokens * top_k; }
  Shape x() const { return {combine ? slots() : tokens, inputs}; }
  Shape y() const { return {combine ? tokens : slots(), outputs}; }
  Shape weight() const { return {experts, outputs, inputs}; }
  Attributes attributes() const { return {{"top_k", top_k}, {"combine", combine}}; }
  OpCase op(const char* kind) const { return OpCase(kind, attributes(), dtype); }
  void add_plan(OpCase& op) const {
    const Plan plan(choices, experts);
    op.ints(plan.slots).ints(plan.offsets);
  }
  /// fn(expert, row of x, row of y) of every slot.
  template <typename F>
  void each(F&& fn) const {
    const Plan plan(choices, experts);
    for (int64_t p = 0; p < slots(); ++p) {
      const int64_t slot = plan.slots[static_cast<size_t>(p)], token = slot / top_k;
      fn(choices[static_cast<size_t>(slot)], combine ? p : token, combine ? token : p);
    }
  }
  /// fn(place in the weight, in a row of x, in a row of y).
  template <typename F>
  void each_product(F&& fn) const {
    each([&](int64_t expert, int64_t row_x, int64_t row_y) {
      for (int64_t o = 0; o < outputs; ++o)
        for (int64_t i = 0; i < inputs; ++i)
          fn(static_cast<size_t>((expert * outputs + o) * inputs + i),
             static_cast<size_t>(row_x * inputs + i), static_cast<size_t>(row_y * outputs + o));
    });
  }
};

/// Of three experts, the last has 9 of 10 slots, the second none.
Choices mostly_last(int64_t tokens) {
  Choices choices;
  for (int64_t t = 0; t < tokens; ++t) {
    choices.push_back(2);
    choices.push_back(t % 5 == 0 ? 0 : 2);
  }
  return choices;
}

std::vector<Layer> layers() {
  std::vector<Layer> all;
  for (bool combine : {false, true})
    for (DType dtype : {DType::f32, DType::bf16}) {
      all.push_back({.combine = combine, .dtype = dtype});
      // More than a tile of rows, and of columns or steps along the sum.
      for (const auto& [outputs, inputs] : {std::pair{int64_t{270}, int64_t{12}}, {12, 330}})
        if (dtype == DType::f32)
          all.push_back({.tokens = 140,
                         .top_k = 2,
                         .experts = 3,
                         .outputs = outputs,
                         .inputs = inputs,
                         .combine = combine,
                         .choices = uneven(140, 2, 3)});
      // On devices, tensor cores: more than a block of rows and of columns, and several steps along the sum.
      if (dtype == DType::bf16)
        all.push_back({.tokens = 75,
                       .top_k = 2,
                       .experts = 3,
                       .outputs = 136,
                       .inputs = 72,
                       .combine = combine,
                       .dtype = dtype,
                       .choices = mostly_last(75)});
      // One expert has everything.
      all.push_back({.tokens = 70,
                     .top_k = 1,
                     .experts = 4,
                     .outputs = 5,
                     .inputs = 64,
                     .combine = combine,
                     .dtype = dtype,
                     .choices = Choices(70, 2)});
    }
  return all;
}

TEST(GroupedLinear, IsAProductPerSlot) {
  for (const Layer& layer : layers())
    for (bool residual : {false, true}) {
      if (residual && !layer.combine) continue;
      OpCase op = layer.op("grouped_linear");
      op.random(layer.x()).random(layer.weight());
      layer.add_plan(op);
      Values y(static_cast<size_t>(layer.y().elements()));
      if (residual) y = op.random(layer.y()).inputs().back();
      const Values &x = op.inputs()[0], &weight = op.inputs()[1];
      layer.each_product([&](size_t w, size_t in, size_t out) { y[out] += weight[w] * x[in]; });
      op.check({y});
    }
}

TEST(GroupedLinear, GradientOfTheInput) {
  for (const Layer& layer : layers())
    for (bool adds : {false, true}) {
      OpCase op = layer.op("grouped_linear_grad_input");
      op.random(layer.y()).random(layer.weight());
      layer.add_plan(op);
      Values dx(static_cast<size_t>(layer.x().elements()));
      if (adds) dx = op.random(layer.x()).inputs().back();
      const Values &dy = op.inputs()[0], &weight = op.inputs()[1];
      layer.each_product([&](size_t w, size_t in, size_t out) { dx[in] += weight[w] * dy[out]; });
      op.check({dx});
    }
}

// Zero for an expert that nobody chose.
TEST(GroupedLinear, GradientOfTheWeight) {
  for (const Layer& layer : layers())
    for (bool adds : {false, true}) {
      OpCase op = layer.op("grouped_linear_grad_weight");
      op.random(layer.y()).random(layer.x());
      layer.add_plan(op);
      Values dweight(static_cast<size_t>(layer.weight().elements()));
      if (adds) dweight = op.random(layer.weight()).inputs().back();
      const Values &dy = op.inputs()[0], &x = op.inputs()[1];
      layer.each_product([&](size_t w, size_t in, size_t out) { dweight[w] += x[in] * dy[out]; });
      op.check({dweight});
    }
}

TEST(GroupedLinear, RefusesOperandsThatDoNotFit) {
  Graph graph;
  const auto floats = [&](const char* name, Shape shape) {
    return graph.add_source(name, {DType::f32, shape}, Category::input);
  };
  const auto ints = [&](const char* name, int64_t n) {
    return graph.add_source(name, {DType::i32, {n}}, Category::input);
  };
  const ValueId x = floats("x", {6, 4}), weight = floats("weight", {3, 5, 4}), slots = ints("slots", 12);
  const ValueId offsets = ints("offsets", 4), y = floats("y", {12, 5});
  const auto refusal = [&](std::vector<ValueId> inputs, int64_t top_k) {
    return message_of<Error>([&] {
      graph.add({"grouped_linear", "y", std::move(inputs), {{"top_k", top_k}, {"combine", false}}});
    });
  };
  EXPECT_NE(refusal({x, weight, slots, slots}, 2).find("offsets: is i32[12], expected i32[4]"),
            std::string::npos);
  EXPECT_NE(refusal({x, weight, slots, offsets}, 5).find("top_k: is 5"), std::string::npos);
  EXPECT_NE(refusal({x, weight, slots, offsets}, 3).find("x: is f32[6, 4], expected f32[4, 4]"),
            std::string::npos);
  EXPECT_NE(refusal({x, weight, slots, offsets, y}, 2).find("residual: is given"), std::string::npos);
}

double silu(double x) {
  return x / (1 + std::exp(-x));
}

TEST(WeightedSwiglu, AndItsGradientAreAsWrittenOut) {
  for (DType dtype : {DType::f32, DType::bf16})
    for (int64_t columns : {1, 24, 77}) {
      const int64_t tokens = 20, top_k = 3, rows = tokens * top_k;
      const Plan plan(uneven(tokens, top_k, 5), 5);
      const Values weights = OpCase("clear").random({tokens, top_k}).inputs()[0];
      OpCase forward("weighted_swiglu", {}, dtype);
      forward.random({rows, columns}).random({rows, columns}).f32({tokens, top_k}, weights).ints(plan.slots);
      OpCase backward("weighted_swiglu_grad", {}, dtype);
      backward.random({rows, columns}).random({rows, columns}).random({rows, columns});
      backward.f32({tokens, top_k}, weights).ints(plan.slots);
      Values y, dgate, dup, dweights(static_cast<size_t>(rows));
      for (int64_t i = 0; i < rows * columns; ++i) {
        const auto at = static_cast<size_t>(i);
        const auto slot = static_cast<size_t>(plan.slots[static_cast<size_t>(i / columns)]);
        const double w = forward.inputs()[2][slot];
        y.push_back(w * silu(forward.inputs()[0][at]) * forward.inputs()[1][at]);
        const double dy = backward.inputs()[0][at], gate = backward.inputs()[1][at];
        const double up = backward.inputs()[2][at], s = 1 / (1 + std::exp(-gate));
        dgate.push_back(w * dy * up * s * (1 + gate * (1 - s)));
        dup.push_back(w * dy * silu(gate));
        dweights[slot] += dy * silu(gate) * up;
      }
      forward.check({y});
      backward.check({dgate, dup, dweights});
    }
}

// The ops together, against every token asking each of its experts.
TEST(MixtureOfExperts, IsTheWeightedSumOfTheChosenExperts) {
  const Router r{.experts = 6, .top_k = 2};
  const int64_t tokens = 90, hidden = 12, columns = 10, slots = tokens * r.top_k;
  OpCase source("clear");
  source.random({tokens, hidden}).random({tokens, r.experts}).random({r.experts, columns, hidden});
  source.random({r.experts, columns, hidden}).random({r.experts, hidden, columns}).random({tokens, hidden});
  const Operands& in = source.inputs();
  Values logits = in[1];
  for (size_t t = 0; t < static_cast<size_t>(tokens); ++t) {
    logits[t * 6 + 2] = 20;   // everybody's first choice
    logits[t * 6 + 4] = -20;  // nobody's
  }
  const auto ints = [](const Values& v) { return Choices(v.begin(), v.end()); };
  const auto routed =
      OpCase("moe_route", r.attributes()).floats({tokens, r.experts}, logits).run({.threads = 2});
  const auto plan = OpCase("moe_plan", {{"experts", r.experts}}).ints(ints(routed[1])).run({});
  EXPECT_EQ(plan[1][5], plan[1][4]);
  EXPECT_EQ(plan[1][3] - plan[1][2], tokens);
  const auto grouped = [&](Shape x_shape, const Values& x, Shape shape, const Values& weight, bool combine) {
    OpCase op("grouped_linear", {{"top_k", r.top_k}, {"combine", combine}});
    op.floats(x_shape, x).floats(shape, weight).ints(ints(plan[0])).ints(ints(plan[1]));
    if (combine) op.floats({tokens, hidden}, in[5]);
    return op.run({.threads = 2})[0];
  };
  const Shape inner{r.experts, columns, hidden}, outer{r.experts, hidden, columns};
  const Values gate = grouped({tokens, hidden}, in[0], inner, in[2], false);
  const Values up = grouped({tokens, hidden}, in[0], inner, in[3], false);
  OpCase product("weighted_swiglu");
  product.floats({slots, columns}, gate).floats({slots, columns}, up).f32({tokens, r.top_k}, routed[0]);
  const Values h = product.ints(ints(plan[0])).run({})[0];
  const Values y = grouped({slots, columns}, h, outer, in[4], true);

  for (int64_t t = 0; t < tokens; ++t) {
    const Values scores = r.scores(&logits[static_cast<size_t>(t * r.experts)]);
    const Choices choices = r.chosen(scores, {});
    const Values weights = r.weights(scores, choices.data());
    Values expected(&in[5][static_cast<size_t>(t * hidden)],
                    &in[5][static_cast<size_t>(t * hidden)] + hidden);
    for (int32_t e = 0; e < r.experts; ++e) {
      const auto k = std::find(choices.begin(), choices.end(), e) - choices.begin();
      if (k == r.top_k) continue;
      for (int64_t c = 0; c < columns; ++c) {
        double g = 0, u = 0;
        for (int64_t i = 0; i < hidden; ++i) {
          const auto at = static_cast<size_t>((e * columns + c) * hidden + i);
          g += in[2][at] * in[0][static_cast<size_t>(t * hidden + i)];
          u += in[3][at] * in[0][static_cast<size_t>(t * hidden + i)];
        }
        for (int64_t i = 0; i < hidden; ++i)
          expected[static_cast<size_t>(i)] += weights[static_cast<size_t>(k)] * silu(g) * u *
                                              in[4][static_cast<size_t>((e * hidden + i) * columns + c)];
      }
    }
    for (int64_t i = 0; i < hidden; ++i)
      ASSERT_NEAR(y[static_cast<size_t>(t * hidden + i)], expected[static_cast<size_t>(i)], 2e-3)
          << "token " << t;
  }
}

TEST(LatentHeads, AreTheirOwnKeysTheSharedOnesAndValues) {
  for (DType dtype : {DType::f32, DType::bf16})
    for (int64_t values : {10, 16}) {
      const int64_t rows = 31, heads = 3, keys = 24, shared = 8;
      const Attributes attributes{{"heads", heads}, {"key_columns", keys}, {"value_columns", values}};
      OpCase forward("latent_heads", attributes, dtype);
      forward.random({rows, heads * (keys + values)}).random({rows, shared});
      OpCase backward("latent_heads_grad", attributes, dtype);
      backward.random({rows, heads * (keys + shared)}).random({rows, heads * values});
      const Values &kv = forward.inputs()[0], &turned = forward.inputs()[1];
      const Values &dk = backward.inputs()[0], &dv = backward.inputs()[1];
      Values k, v, dkv, dshared(static_cast<size_t>(rows * shared));
      for (int64_t n = 0; n < rows * heads; ++n) {
        const auto at = [&](int64_t columns, int64_t c) { return static_cast<size_t>(n * columns + c); };
        for (int64_t c = 0; c < keys; ++c) {
          k.push_back(kv[at(keys + values, c)]);
          dkv.push_back(dk[at(keys + shared, c)]);
        }
        for (int64_t c = 0; c < shared; ++c) {
          const auto own = static_cast<size_t>(n / heads * shared + c);
          k.push_back(turned[own]);
          dshared[own] += dk[at(keys + shared, keys + c)];
        }
        for (int64_t c = 0; c < values; ++c) {
          v.push_back(kv[at(keys + values, keys + c)]);
          dkv.push_back(dv[at(values, c)]);
        }
      }
      forward.check({k, v});
      backward.check({dkv, dshared});
    }
}

}  // namespace
}  // namespace tidemark::test
