#include "base/file.h"
#include "tests/cli/command.h"

namespace tidemark {
namespace {

class ArenaCommand : public CommandTest {
 protected:
  std::string problem(const std::string& rows) const {
    const std::string path = this->path("problem.csv");
    write_text_file(path, "id,lower,upper,size\n" + rows, "test");
    return path;
  }
};

TEST_F(ArenaCommand, SolvesWithinACapacityAndWritesTheOffsets) {
  const std::string out = path("solved.csv");
  const auto j = json_of({"arena", std::string(TIDEMARK_TEST_DATA "/arena/C.1048576.csv"), "--capacity",
                          "1048576", "--out", out, "--json"});
  EXPECT_EQ(j["status"], "solved");
  EXPECT_EQ(j["buffers"], 203);
  EXPECT_LE(j["end_bytes"], 1048576);
  EXPECT_EQ(j["offsets"].size(), 203u);
  EXPECT_THAT(read_text_file(out, "test"), testing::StartsWith("id,lower,upper,size,offset\n"));
  // A solved problem is a problem.
  EXPECT_EQ(json_of({"arena", out, "--capacity", "1MiB", "--json"})["status"], "solved");
}

TEST_F(ArenaCommand, MinimizesAndSaysThatItIsOptimal) {
  const auto j = json_of({"arena", problem("a,0,2,4\nb,1,3,5\nc,2,4,4\n"), "--minimize", "--json"});
  EXPECT_EQ(j["end_bytes"], 9);
  EXPECT_EQ(j["lower_bound_bytes"], 9);
  EXPECT_TRUE(j["optimal"]);
}

TEST_F(ArenaCommand, SaysInfeasibleWithStatus1) {
  const Output o = run({"arena", problem("a,0,2,4\nb,1,3,5\n"), "--capacity", "8", "--json"});
  EXPECT_EQ(o.status, 1);
  EXPECT_EQ(o.json()["status"], "infeasible");
}

TEST_F(ArenaCommand, RefusesBadInputWithStatus2) {
  EXPECT_THAT(error_of({"arena", problem("a,3,2,4\n")}, 2),
              testing::HasSubstr(":2: the life [3, 2) is empty"));
  EXPECT_THAT(error_of({"arena", path("none.csv")}, 2), testing::HasSubstr("none.csv"));
  error_of({"arena", problem("a,0,2,4\n"), "--capacity", "4", "--minimize"}, 2);
  error_of({"arena", problem("a,0,2,4\n"), "--time-limit", "0"}, 2);
}

}  // namespace
}  // namespace tidemark
