// libtidemark_viewer.so: the command loads it to view, so that nothing else it does needs Qt.
#include "gui/viewer.h"

extern "C" __attribute__((visibility("default"))) int tidemark_run_viewer(
    const tidemark::ViewOptions& options) {
  return tidemark::run_viewer(options);
}
