// Damaged graphs: an Error, or a graph that can be planned and whose plan is read again.
#include <gtest/gtest.h>

#include "base/error.h"
#include "graph/serialize.h"
#include "planner/planner.h"
#include "tests/graph/json_mutator.h"
#include "tests/planner/graphs.h"
#include "tests/planner/small_graph.h"

namespace tidemark {
namespace {

using nlohmann::json;

void plan_and_read_again(const Graph& graph) {
  PlanRequest request;
  request.times = analytic_times(graph, cpu_speed(1));
  request.strategy = "min-cut";
  const PlanResult keep = make_plan(graph, request);
  request.budget_bytes = keep.unplanned_peak_bytes / 4 * 3 + 1;
  const PlanResult result = make_plan(graph, request);
  if (result.plan) plan_from_json(json::parse(to_json(*result.plan, graph).dump()), graph, "plan.json");
}

/// Returns how many of the damaged documents were graphs after all.
int survive(const json& document, unsigned seed, int times) {
  test::JsonMutator mutator(seed);
  int graphs = 0;
  for (int i = 0; i < times; ++i) {
    const json damaged = mutator.mutate(document);
    SCOPED_TRACE(damaged.dump());
    try {
      const Graph graph = graph_from_json(damaged, "fuzz");
      EXPECT_EQ(to_json(graph_from_json(to_json(graph), "again")), to_json(graph));
      plan_and_read_again(graph);
      ++graphs;
    } catch (const Error& e) {
      EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos) << e.what();
    }
  }
  return graphs;
}

TEST(GraphFuzz, GraphsFromElsewhere) {
  int graphs = 0;
  for (unsigned seed = 0; seed < 40; ++seed)
    graphs += survive(to_json(test::random_training_graph(seed, 5).graph), seed, 100);
  EXPECT_GT(graphs, 200) << "hardly any document is read: the test sees nothing of the planner";
}

TEST(GraphFuzz, GraphsOfModels) {
  survive(
      to_json(test::llama({.layers = 1, .width = 8, .heads = 2, .inner = 8, .vocabulary = 8, .tokens = 4})),
      1, 1500);
}

}  // namespace
}  // namespace tidemark
