#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <set>
#include <sstream>

#include "base/error.h"
#include "graph/op_def.h"

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
    return Attributes{{"bytes", std::move(bytes)}, {"workspace_bytes", workspace}, {"recompute", true}};
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
}

}  // namespace
}  // namespace tidemark
