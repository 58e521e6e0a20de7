// Runs the tests where there is a GPU; elsewhere says so, and leaves with what CTest counts as skipped.
#include <gmock/gmock.h>

#include <iostream>

#include "executor/runtime/backend.h"

int main(int argc, char** argv) {
  constexpr int kSkipped = 77;
  ::testing::InitGoogleMock(&argc, argv);
  if (const std::string why = tidemark::why_no_cuda(); !why.empty()) {
    std::cout << "skipped: " << why << "\n";
    return kSkipped;
  }
  return RUN_ALL_TESTS();
}
