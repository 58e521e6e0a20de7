// Stands in for the viewer in a build without Qt.
#include "base/error.h"
#include "gui/viewer.h"

namespace tidemark {

int run_viewer(const ViewOptions&) {
  throw Error("cannot open the viewer", "this build", "it was made without Qt 6 Widgets",
              "install qt6-base-dev, configure with -DTIDEMARK_GUI=ON and build again");
}

}  // namespace tidemark
