#include "gui/widgets/theme.h"

#include <QApplication>
#include <QPalette>
#include <QStyleFactory>
#include <array>

namespace tidemark::gui::theme {
namespace {

constexpr int kTextPixels = 12;
constexpr int kSmallTextPixels = 11;

const char* const kStyleSheet = R"(
  QToolTip { color: #1b1f24; background: #ffffff; border: 1px solid #8b949e; padding: 5px; }
  QToolButton, QPushButton { background: #ffffff; border: 1px solid #c9d0d8; border-radius: 3px; padding: 3px 9px; }
  QToolButton:hover, QPushButton:hover { background: #eef3f8; }
  QToolButton:pressed, QPushButton:pressed { background: #dde6ef; }
  QToolButton:checked { background: #0b5cad; border-color: #0b5cad; color: #ffffff; }
  QToolButton:disabled { color: #a0a8b0; }
  QToolButton:focus, QPushButton:focus { border-color: #0b5cad; }
  QLineEdit { border: 1px solid #c9d0d8; border-radius: 3px; padding: 3px 6px; background: #ffffff; }
  QLineEdit:focus { border-color: #0b5cad; }
  QTableView { border: 1px solid #c9d0d8; background: #ffffff; alternate-background-color: #f7f8fa;
               selection-background-color: #d5e6f7; selection-color: #1b1f24; gridline-color: #e8ebef; }
  QTableView::item { border: 0px; padding: 0px 7px; }
  QTableView::item:selected { background: #d5e6f7; color: #1b1f24; }
  QHeaderView::section { background: #f4f5f7; border: 0px; border-bottom: 1px solid #c9d0d8; padding: 4px 10px;
                         font-weight: bold; }
  QHeaderView::up-arrow, QHeaderView::down-arrow { subcontrol-origin: padding; subcontrol-position: center right;
                                                   width: 9px; height: 9px; right: 1px; }
  QSplitter::handle { background: transparent; }
  QStatusBar { color: #555e68; }
  QStatusBar::item { border: none; }
)";

}  // namespace

QColor color_of(Category category) {
  static const std::array<QColor, kCategoryCount> kColors = {
      QColor(0x00, 0x72, 0xb2),  // parameter: blue
      QColor(0x00, 0x9e, 0x73),  // gradient: bluish green
      QColor(0xcc, 0x79, 0xa7),  // optimizer_state: reddish purple
      QColor(0xe6, 0x9f, 0x00),  // activation: orange
      QColor(0xf0, 0xe4, 0x42),  // input: yellow
      QColor(0x56, 0xb4, 0xe9),  // workspace: sky blue
      QColor(0xd5, 0x5e, 0x00),  // communication: vermilion
      QColor(0x80, 0x86, 0x8d),  // runtime: grey
  };
  return kColors[static_cast<size_t>(category)];
}

QColor text_on(const QColor& background) {
  const double luminance =
      0.2126 * background.redF() + 0.7152 * background.greenF() + 0.0722 * background.blueF();
  return luminance > 0.45 ? QColor(Qt::black) : QColor(Qt::white);
}

QColor tint_of(Phase phase) {
  switch (phase) {
    case Phase::prepare: return {0xe4, 0xe6, 0xe9};
    case Phase::forward: return {0xd6, 0xe4, 0xf0};
    case Phase::backward: return {0xee, 0xe2, 0xd6};
    case Phase::optimizer: return {0xe2, 0xe0, 0xee};
  }
  return {};
}

QFont small_font() {
  QFont font = QApplication::font();
  font.setPixelSize(kSmallTextPixels);
  return font;
}

QFont bold_font() {
  QFont font = QApplication::font();
  font.setBold(true);
  return font;
}

void apply(QApplication& application) {
  QApplication::setStyle(QStyleFactory::create(QStringLiteral("Fusion")));
  QPalette palette;
  palette.setColor(QPalette::Window, kWindow);
  palette.setColor(QPalette::Base, kPaper);
  palette.setColor(QPalette::AlternateBase, QColor(0xf7, 0xf8, 0xfa));
  palette.setColor(QPalette::Button, kPaper);
  for (const auto role : {QPalette::WindowText, QPalette::Text, QPalette::ButtonText, QPalette::ToolTipText})
    palette.setColor(role, kText);
  palette.setColor(QPalette::ToolTipBase, kPaper);
  palette.setColor(QPalette::PlaceholderText, QColor(0x6b, 0x74, 0x7e));
  palette.setColor(QPalette::Highlight, kAccent);
  palette.setColor(QPalette::HighlightedText, kPaper);
  QApplication::setPalette(palette);
  QFont font(QStringLiteral("DejaVu Sans"));
  font.setPixelSize(kTextPixels);
  QApplication::setFont(font);
  application.setStyleSheet(QString::fromLatin1(kStyleSheet));
}

}  // namespace tidemark::gui::theme
