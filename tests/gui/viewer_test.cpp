#include "gui/viewer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <QImage>
#include <set>

#include "base/error.h"
#include "gui/widgets/theme.h"
#include "tests/gui/recording.h"
#include "tests/scratch.h"

namespace tidemark {
namespace {

using test::Recording;
using testing::HasSubstr;

class Viewer : public ScratchTest {
 protected:
  void SetUp() override {
    ScratchTest::SetUp();
    recording_.save_trace(path("run.tide"));
    recording_.save_plan(path("plan.json"));
    options_.files = {path("plan.json"), path("run.tide")};
    options_.screenshot = path("out.png");
  }
  QImage picture() const {
    EXPECT_EQ(run_viewer(options_), 0);
    return QImage(QString::fromStdString(options_.screenshot));
  }
  std::string refusal() const {
    return message_of<Error>([&] { run_viewer(options_); });
  }

  const Recording recording_{{.budget_percent = 85}};
  ViewOptions options_;
};

std::set<QRgb> colors_of(const QImage& image) {
  std::set<QRgb> colors;
  for (int y = 0; y < image.height(); ++y)
    for (int x = 0; x < image.width(); ++x) colors.insert(image.pixel(x, y));
  return colors;
}

TEST_F(Viewer, WritesAPictureOfTheSizeThatIsAskedFor) {
  for (const auto plot : {ViewOptions::Plot::timeline, ViewOptions::Plot::arena}) {
    options_.plot = plot;
    options_.width = 1111;
    options_.height = 777;
    const QImage image = picture();
    EXPECT_EQ(image.size(), QSize(1111, 777));
    const std::set<QRgb> colors = colors_of(image);
    for (Category c : {Category::parameter, Category::gradient, Category::optimizer_state,
                       Category::activation, Category::workspace})
      EXPECT_TRUE(colors.contains(gui::theme::color_of(c).rgb())) << name_of(c);
    EXPECT_GT(colors.size(), 40u) << "text is smoothed: there must be some";
  }
}

TEST_F(Viewer, DrawsTheSamePictureEachTime) {
  const QImage first = picture();
  options_.files = {path("run.tide"), path("plan.json")};
  EXPECT_EQ(first, picture()) << "whatever the order of the files";
  options_.training_step = 0;
  EXPECT_NE(first, picture()) << "of another training step";
}

TEST_F(Viewer, SaysWhatIsWrongWithAFile) {
  options_.files = {path("missing.tide")};
  EXPECT_THAT(refusal(), HasSubstr("missing.tide: No such file"));
  options_.files = {write("bad.tide", "TIDEMARK damaged from here on")};
  EXPECT_THAT(refusal(), HasSubstr("cannot read the trace: " + path("bad.tide")));
  options_.files = {write("bad.json", "{\"format\": \"tidemark plan\", \"version\": 9}")};
  EXPECT_THAT(refusal(), HasSubstr("bad.json: version"));
  EXPECT_FALSE(std::filesystem::exists(options_.screenshot));
}

TEST_F(Viewer, SaysWhatIsWrongWithTheOptions) {
  options_.training_step = 17;
  EXPECT_THAT(refusal(), HasSubstr("training step 17"));
  options_.training_step.reset();
  options_.width = 3;
  EXPECT_THAT(refusal(), HasSubstr("--size: 3 pixels"));
  options_.width = options_.height = 500;
  EXPECT_THAT(refusal(), HasSubstr("x500 or more"));
  options_.width = options_.height = 1000;
  options_.screenshot = path("no/such/folder/out.png");
  EXPECT_THAT(refusal(), HasSubstr("cannot write the picture"));
}

TEST_F(Viewer, SaysThatAWindowNeedsADisplay) {
  options_.screenshot.clear();
  for (const char* name : {"DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"}) unsetenv(name);
  EXPECT_THAT(refusal(), HasSubstr("use --screenshot"));
  setenv("DISPLAY", "nowhere:77", 1);
  EXPECT_EXIT(run_viewer(options_), testing::ExitedWithCode(3),
              "tidemark: cannot open a window.*--screenshot");
}

}  // namespace
}  // namespace tidemark
