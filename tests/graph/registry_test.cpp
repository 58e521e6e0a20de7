#include <gtest/gtest.h>

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

}  // namespace
}  // namespace tidemark
