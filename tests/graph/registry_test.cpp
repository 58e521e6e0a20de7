#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <set>
#include <sstream>

#include "base/error.h"
#include "graph/opaque.h"

namespace tidemark {
namespace {

TEST(OpRegistry, EveryEntryIsCompleteAndNamedOnce) {
  std::set<std::string_view> names;
  for (const OpDef* def : op_registry()) {
    EXPECT_TRUE(names.insert(def->name).second) << def->name;
    EXPECT_TRUE(def->infer) << def->name;
    EXPECT_TRUE(def->work) << def->name;
    for (const Alias& a : def->aliases) {
      EXPECT_LT(a.out, static_cast<int>(def->output_names.size())) << def->name;
      EXPECT_LT(a.in, static_cast<int>(def->input_names.size())) << def->name;
    }
    EXPECT_EQ(&find_op(def->name, "test"), def);
  }
}

TEST(OpRegistry, IsWhatTheDocumentationLists) {
  std::ifstream file(TIDEMARK_SOURCE_DIR "/docs/ops.md");
  std::stringstream text;
  text << file.rdbuf();
  for (const OpDef* def : op_registry())
    EXPECT_NE(text.str().find("| " + std::string(def->name) + " |"), std::string::npos) << def->name;
}

TEST(OpRegistry, WrongOperandsNameTheOperand) {
  Graph g("bad");
  const ValueId x = g.add_source("x", {DType::f32, {4, 8}}, Category::input);
  const ValueId w = g.add_source("w", {DType::f32, {3, 9}}, Category::parameter);
  try {
    g.add({"linear", "y", {x, w}});
    FAIL() << "accepted a weight of the wrong width";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("weight"), std::string::npos) << e.what();
    EXPECT_NE(std::string(e.what()).find("f32[3, 9]"), std::string::npos) << e.what();
  }
  EXPECT_THROW(g.add({"linear", "y", {x}}), Error);
  EXPECT_THROW(g.add({"linear", "y", {x, 99}}), Error);
  EXPECT_THROW(g.add({"no_such_op", "y", {x}}), Error);
}

TEST(OpaqueOp, SaysItsSizesItself) {
  Graph g("foreign");
  const ValueId x = g.add_source("x", {DType::u8, {100}}, Category::input);
  const auto attributes = [](std::vector<double> bytes, int64_t workspace) {
    return Attributes{
        {"bytes", std::move(bytes)}, {"workspace_bytes", workspace}, {"recompute", true}, {"seconds", 0.5}};
  };
  Graph::NewOp op{"opaque", "f", {x, x}, attributes({7, 4096}, 50)};
  op.outputs = {"a", "b"};
  const OpId id = g.add_op(op);
  EXPECT_EQ(g.value(g.require("a")).bytes(), 7);
  EXPECT_EQ(g.value(g.require("b")).bytes(), 4096);
  EXPECT_EQ(g.op(id).def->workspace(OpView(g, g.op(id)), {}), 50);

  op.name = "g";
  EXPECT_THROW(g.add_op(op), Error) << "the names are taken";
  op.outputs = {"c"};
  EXPECT_THROW(g.add_op(op), Error) << "two outputs, one name";
  for (double bytes : {-1.0, 0.5, 1e300, std::nan("")}) {
    op.attributes = attributes({bytes}, 0);
    EXPECT_THROW(g.add_op(op), Error) << bytes;
  }
  op.attributes = attributes({1}, -1);
  EXPECT_THROW(g.add_op(op), Error);
  for (double seconds : {-1.0, 1e-300, 1e300, std::nan("")}) {
    op.attributes = attributes({1}, 0);
    op.attributes.set("seconds", seconds);
    EXPECT_THROW(g.add_op(op), Error) << seconds;
  }
}

TEST(OpaqueOp, SaysWhatItOverwritesItself) {
  Graph g("foreign");
  const ValueId x = g.add_source("x", {DType::u8, {100}}, Category::parameter);
  const ValueId y = g.add_source("y", {DType::u8, {50}}, Category::input);
  Graph::NewOp op{"opaque",
                  "f",
                  {x, y},
                  {{"bytes", std::vector<double>{100}},
                   {"workspace_bytes", int64_t{0}},
                   {"recompute", true},
                   {"seconds", 0.5},
                   {"aliases", std::vector<double>{0, 0, 1}}}};
  op.outputs = {"x2"};
  const Op& made = g.op(g.add_op(op));
  ASSERT_EQ(aliases_of(made).size(), 1u);
  EXPECT_TRUE(aliases_of(made)[0].required);
  EXPECT_EQ(g.value(g.require("x2")).category, Category::parameter) << "it is the same storage";
  op.name = "g";
  op.outputs = {"x3"};
  for (const std::vector<double>& bad :
       {std::vector<double>{0, 1, 1}, {0, 2, 1}, {1, 0, 0}, {-1, 0, 0}, {0, 0}, {0, 0, 1, 0, 0, 1}}) {
    op.attributes.set("aliases", bad);
    EXPECT_THROW(g.add_op(op), Error);
  }
}

}  // namespace
}  // namespace tidemark
