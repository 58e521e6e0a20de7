// `tidemark view`: a window on a trace, a plan, or both; or a picture of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tidemark {

struct ViewOptions {
  enum class Plot : uint8_t { timeline, arena };

  std::vector<std::string> files;  ///< at most one trace and one plan, in any order
  std::string screenshot;          ///< write a PNG here instead of opening a window; needs no display
  int width = 1360, height = 860;  ///< pixels
  Plot plot = Plot::timeline;
  std::optional<int64_t> training_step;  ///< none: the last
};

/// Returns the exit status, once the window is closed or the picture is written. Throws Error where a
/// picture cannot be made or there is no display; of a window's files, a dialog says what is wrong.
int run_viewer(const ViewOptions& options);

}  // namespace tidemark
