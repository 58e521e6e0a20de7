// The categories by colour, with what they hold at the cursor; a click hides or shows one.
#pragma once

#include <QAbstractButton>
#include <QLabel>
#include <QWidget>
#include <array>

#include "gui/models/view_state.h"

namespace tidemark::gui {

/// A swatch, a name, and bytes at the right.
class LegendItem : public QAbstractButton {
  Q_OBJECT

 public:
  LegendItem(Category category, QWidget* parent);
  void set_bytes(int64_t bytes);
  QRect swatch() const;
  QSize sizeHint() const override;

 protected:
  void paintEvent(QPaintEvent* event) override;

 private:
  QColor color_;
  QString bytes_;
};

class Legend : public QWidget {
  Q_OBJECT

 public:
  Legend(ViewState& state, QWidget* parent);
  LegendItem* item(Category category) const { return items_[static_cast<size_t>(category)]; }

 private:
  void show_scene();
  void show_cursor();

  ViewState& state_;
  std::array<LegendItem*, kCategoryCount> items_{};
  QLabel* title_;
  QLabel* total_;
  QWidget* planned_;
  QWidget* recomputed_;
};

}  // namespace tidemark::gui
