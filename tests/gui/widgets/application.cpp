// The one application that all tests of widgets share; it needs no display.
#include <gtest/gtest.h>

#include <QApplication>
#include <memory>

#include "gui/widgets/theme.h"

namespace tidemark::gui {
namespace {

class Application : public testing::Environment {
 public:
  void SetUp() override {
    qputenv("QT_QPA_PLATFORM", "offscreen");
    application_ = std::make_unique<QApplication>(argc_, argv_);
    theme::apply(*application_);
  }
  void TearDown() override { application_.reset(); }

 private:
  int argc_ = 1;
  char name_[17] = "gui_widgets_test";
  char* argv_[2] = {name_, nullptr};
  std::unique_ptr<QApplication> application_;
};

const testing::Environment* const kApplication = testing::AddGlobalTestEnvironment(new Application);

}  // namespace
}  // namespace tidemark::gui
