#include "gui/models/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/error.h"
#include "tests/gui/recording.h"
#include "tests/scratch.h"

namespace tidemark::gui {
namespace {

using test::Recording;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Sessions : public ScratchTest {
 protected:
  void SetUp() override {
    ScratchTest::SetUp();
    recording_.save_trace(trace_ = path("a.json"));  // names that say the opposite
    recording_.save_plan(plan_ = path("b.tide"));
  }
  std::string refusal(const std::vector<std::string>& files) const {
    return message_of<Error>([&] { const Session session(files); });
  }

  const Recording recording_{{.budget_percent = 85}};
  std::string trace_, plan_;
};

TEST_F(Sessions, KnowFilesByTheirContentInAnyOrder) {
  for (const auto& files : {std::vector{trace_, plan_}, std::vector{plan_, trace_}}) {
    const Session session(files);
    ASSERT_TRUE(session.trace() && session.plan());
    EXPECT_TRUE(session.ran_the_plan());
    EXPECT_EQ(session.title(), recording_.graph().name());
    EXPECT_THAT(session.training_steps(), ElementsAre(0, 1, 2));
  }
}

TEST_F(Sessions, RefuseWhatTheyCannotShow) {
  EXPECT_THAT(refusal({}), HasSubstr("none is named"));
  EXPECT_THAT(refusal({path("missing")}), HasSubstr(path("missing") + ": No such file"));
  EXPECT_THAT(refusal({folder_.string()}), HasSubstr("not a regular file"));
  EXPECT_THAT(refusal({write("empty", "")}), HasSubstr("neither a trace nor a plan"));
  EXPECT_THAT(refusal({write("text", "hello")}), HasSubstr("neither a trace nor a plan"));
  EXPECT_THAT(refusal({write("kineto.json", "{\"schemaVersion\": 1, \"traceEvents\": []}")}),
              HasSubstr("'tidemark import'"));
  EXPECT_THAT(refusal({write("object", "{\"a\": 1}")}), HasSubstr("format: it is missing"));
  EXPECT_THAT(refusal({write("half", "{\"format\": \"tide")}), HasSubstr("not valid JSON"));
  EXPECT_THAT(refusal({write("magic", "TIDEMARK")}), HasSubstr("not a .tide trace"));
  EXPECT_THAT(refusal({trace_, trace_}), HasSubstr("a second trace"));
  EXPECT_THAT(refusal({plan_, trace_, plan_}), HasSubstr("a second plan"));
}

TEST_F(Sessions, SurviveRandomDamage) {
  std::mt19937 random(3);
  int opened = 0;
  for (const std::string& file : {trace_, plan_}) {
    const std::string whole = bytes_of(file);
    for (int round = 0; round < 300; ++round) {
      std::string damaged = whole.substr(0, random() % 4 == 0 ? random() % whole.size() : whole.size());
      for (unsigned k = random() % 4; k-- > 0 && !damaged.empty();)
        damaged[random() % damaged.size()] = static_cast<char>(random());
      try {
        const Session session({write("damaged", damaged)});
        const auto steps = session.training_steps();
        const auto step = steps.empty() ? std::nullopt : std::optional(steps.back());
        const Scene scene = session.scene(step, AxisUnit::seconds);
        ASSERT_EQ(scene.main.program->live.size(), scene.main.program->steps.size());
        ++opened;
      } catch (const Error&) {
      }
    }
  }
  EXPECT_GT(opened, 50);
}

TEST_F(Sessions, DrawThePlanOnTheTimesOfItsOwnRun) {
  const Session session({trace_, plan_});
  const Scene scene = session.scene(1, AxisUnit::seconds);
  EXPECT_TRUE(scene.measured);
  EXPECT_EQ(scene.planned.clock.end(), scene.main.clock.end());
  EXPECT_EQ(scene.plan_peak_bytes, recording_.plan().arena_bytes);
  EXPECT_EQ(scene.budget_bytes, recording_.plan().budget_bytes);
  // The promise: the planned bytes are the measured ones at every step.
  EXPECT_EQ(scene.planned.program->live, scene.main.program->live);
  EXPECT_EQ(session.scene(1, AxisUnit::ops).main.clock.unit(), AxisUnit::ops);
}

TEST_F(Sessions, DrawThePlanOfAnotherProgramOnItsOwnTimes) {
  const Recording other({.length = 64});
  other.save_trace(path("other"));
  const Session session({path("other"), plan_});
  EXPECT_FALSE(session.ran_the_plan());
  const Scene scene = session.scene(0, AxisUnit::seconds);
  EXPECT_NEAR(scene.planned.clock.end(), recording_.plan().predicted_seconds, 1e-9);
  EXPECT_NE(scene.main.clock.end(), scene.planned.clock.end());
}

TEST_F(Sessions, ShowAPlanAlone) {
  const Session session({plan_});
  const Scene scene = session.scene({}, AxisUnit::seconds);
  EXPECT_FALSE(scene.measured);
  EXPECT_EQ(scene.planned.program, nullptr);
  EXPECT_EQ(scene.main.clock.size(), recording_.plan().schedule.steps.size());
  EXPECT_THAT(session.training_steps(), IsEmpty());
}

TEST_F(Sessions, PreferCompleteTrainingSteps) {
  {
    TraceWriter writer = recording_.start_trace(path("killed"));
    const Session nothing({path("killed")});
    EXPECT_THAT(nothing.training_steps(), IsEmpty());
    EXPECT_TRUE(nothing.scene({}, AxisUnit::seconds).main.clock.empty());
    recording_.write_step(writer, 0, false);
    EXPECT_THAT(Session({path("killed")}).training_steps(), ElementsAre(0));
    recording_.write_step(writer, 1);
    recording_.write_step(writer, 2, false);
  }
  EXPECT_THAT(Session({path("killed")}).training_steps(), ElementsAre(1));
}

TEST_F(Sessions, FollowATraceAsItGrows) {
  TraceWriter writer = recording_.start_trace(path("growing"));
  recording_.write_step(writer, 0);
  Session session({path("growing"), plan_});
  EXPECT_FALSE(session.refresh());
  for (int64_t step = 1; step < 40; ++step) {
    recording_.write_step(writer, step);
    EXPECT_TRUE(session.refresh());
    EXPECT_FALSE(session.refresh());
    // The first step's times must survive that the file is mapped anew.
    EXPECT_EQ(session.scene(0, AxisUnit::seconds).main.clock.size(), recording_.plan().schedule.steps.size());
  }
  EXPECT_EQ(session.training_steps().size(), 40u);
}

TEST_F(Sessions, NoticeThatAnotherTraceTookTheFile) {
  Session session({trace_});
  const double end = session.scene(2, AxisUnit::seconds).main.clock.end();
  const Recording other({.length = 64});
  other.save_trace(trace_, 9);
  EXPECT_THAT(message_of<Error>([&] { session.refresh(); }), HasSubstr("another one has taken its place"));
  EXPECT_EQ(session.scene(2, AxisUnit::seconds).main.clock.end(), end) << "what it has must stay";
  std::filesystem::remove(trace_);
  EXPECT_THAT(message_of<Error>([&] { session.refresh(); }), HasSubstr("No such file"));
  EXPECT_EQ(session.scene(2, AxisUnit::seconds).main.clock.end(), end);
}

TEST_F(Sessions, NameNoModelWhereTheTraceDoesNot) {
  { const TraceWriter writer(path("odd"), nlohmann::json::object(), {}, std::vector<ProgramStep>(1)); }
  EXPECT_EQ(Session({path("odd")}).title(), "unnamed model");
}

TEST_F(Sessions, CountOpsWhereNothingTakesTime) {
  {
    TraceWriter writer(path("instant"), nlohmann::json::object(), {}, std::vector<ProgramStep>(2));
    writer.run(0, 0, 0, std::vector<TimeSpan>{{5, 5}, {5, 5}});
  }
  const Scene scene = Session({path("instant")}).scene(0, AxisUnit::seconds);
  EXPECT_EQ(scene.main.clock.unit(), AxisUnit::ops);
  EXPECT_EQ(scene.main.clock.end(), 2);
}

}  // namespace
}  // namespace tidemark::gui
