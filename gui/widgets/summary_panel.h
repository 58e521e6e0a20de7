// The files in a few lines.
#pragma once

#include <QWidget>

#include "gui/models/summary.h"

class QGridLayout;

namespace tidemark::gui {

class SummaryPanel : public QWidget {
  Q_OBJECT

 public:
  explicit SummaryPanel(QWidget* parent);
  void show_rows(const std::vector<SummaryRow>& rows);

 private:
  QGridLayout* grid_;
};

}  // namespace tidemark::gui
