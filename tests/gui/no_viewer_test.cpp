// A build without Qt.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "gui/viewer.h"
#include "tests/scratch.h"

namespace tidemark {
namespace {

TEST(Viewer, SaysHowToBuildIt) {
  EXPECT_THAT(message_of<Error>([] { run_viewer({}); }), testing::HasSubstr("install qt6-base-dev"));
}

}  // namespace
}  // namespace tidemark
