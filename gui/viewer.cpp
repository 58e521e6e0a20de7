#include "gui/viewer.h"

#include <QApplication>
#include <QBuffer>
#include <QFontDatabase>
#include <QMessageBox>
#include <cstdlib>

#include "base/error.h"
#include "base/file.h"
#include "gui/widgets/main_window.h"
#include "gui/widgets/theme.h"

namespace tidemark {
namespace {

constexpr const char* kOpening = "cannot open a window";
constexpr int kLeastSide = 480, kMostSide = 16384;

bool has_display() {
  for (const char* name : {"DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"})
    if (const char* value = std::getenv(name); value != nullptr && *value != 0) return true;
  return false;
}

/// Qt ends the process where it cannot connect to the display; it should at least do so in our words.
void on_qt_message(QtMsgType type, const QMessageLogContext&, const QString& message) {
  if (type != QtFatalMsg) return;
  const std::string line = message.section(QLatin1Char('\n'), 0, 0).toStdString();
  std::fprintf(stderr, "tidemark: %s: display: %s; use --screenshot out.png\n", kOpening, line.c_str());
  std::_Exit(static_cast<int>(ExitCode::failure));
}

void save(const QImage& picture, const std::string& path) {
  QByteArray png;
  QBuffer buffer(&png);
  buffer.open(QIODevice::WriteOnly);
  picture.save(&buffer, "PNG");
  write_text_file(path, png.toStdString(), "cannot write the picture");
}

void prepare(gui::MainWindow& window, const ViewOptions& options) {
  window.resize(options.width, options.height);
  window.show_plot(options.plot);
  if (options.training_step) window.show_step(*options.training_step);
}

int take_screenshot(const ViewOptions& options) {
  gui::MainWindow window(options.files);
  prepare(window, options);
  window.show();
  QApplication::processEvents();
  if (window.width() > options.width || window.height() > options.height)
    throw Error("bad usage", "--size", "not all that is shown has room",
                "use " + std::to_string(window.width()) + "x" + std::to_string(window.height()) + " or more");
  save(window.grab().toImage(), options.screenshot);
  return static_cast<int>(ExitCode::ok);
}

int show_window(const ViewOptions& options) {
  try {
    gui::MainWindow window(options.files);
    prepare(window, options);
    window.follow();
    window.show();
    return QApplication::exec();
  } catch (const Error& error) {
    QMessageBox::critical(nullptr, QStringLiteral("Tidemark"), QString::fromUtf8(error.what()));
    return static_cast<int>(error.code());
  }
}

}  // namespace

int run_viewer(const ViewOptions& options) {
  const bool picture = !options.screenshot.empty();
  for (int side : {options.width, options.height})
    if (side < kLeastSide || side > kMostSide)
      throw Error("bad usage", "--size", std::to_string(side) + " pixels",
                  "use " + std::to_string(kLeastSide) + " to " + std::to_string(kMostSide));
  if (picture)
    qputenv("QT_QPA_PLATFORM", "offscreen");
  else if (!has_display())
    throw Error(kOpening, "display", "neither DISPLAY nor WAYLAND_DISPLAY is set", "use --screenshot out.png",
                ExitCode::failure);
  qInstallMessageHandler(on_qt_message);
  int argc = 1;
  char name[] = "tidemark";
  char* argv[] = {name, nullptr};
  const QApplication application(argc, argv);
  if (QFontDatabase::families().isEmpty())
    throw Error(kOpening, "fonts", "there are none on this machine", "install fonts-dejavu-core",
                ExitCode::failure);
  gui::theme::apply(*qApp);
  return picture ? take_screenshot(options) : show_window(options);
}

}  // namespace tidemark
