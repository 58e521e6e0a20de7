#include "gui/widgets/summary_panel.h"

#include <QGridLayout>
#include <QLabel>

#include "gui/widgets/theme.h"

namespace tidemark::gui {
namespace {

/// Not by colour alone.
QString marked(const SummaryRow& row) {
  const QString value = QString::fromStdString(row.value);
  if (row.state == SummaryRow::State::good) return QStringLiteral("✓ ") + value;
  if (row.state == SummaryRow::State::bad) return QStringLiteral("✗ ") + value;
  return value;
}

QLabel* value_label(const SummaryRow& row, QWidget* parent) {
  auto* label = new QLabel(marked(row), parent);
  label->setWordWrap(true);
  label->setAlignment(Qt::AlignRight | Qt::AlignTop);
  label->setTextInteractionFlags(Qt::TextSelectableByMouse);
  label->setToolTip(QString::fromStdString(row.detail));
  if (row.state == SummaryRow::State::plain) return label;
  QPalette palette = label->palette();
  palette.setColor(QPalette::WindowText, row.state == SummaryRow::State::good ? theme::kGood : theme::kBad);
  label->setPalette(palette);
  label->setFont(theme::bold_font());
  return label;
}

}  // namespace

SummaryPanel::SummaryPanel(QWidget* parent) : QWidget(parent), grid_(new QGridLayout(this)) {
  grid_->setContentsMargins(4, 0, 4, 0);
  grid_->setHorizontalSpacing(12);
  grid_->setVerticalSpacing(5);
  grid_->setColumnStretch(1, 1);
}

void SummaryPanel::show_rows(const std::vector<SummaryRow>& rows) {
  while (QLayoutItem* item = grid_->takeAt(0)) {
    delete item->widget();
    delete item;
  }
  for (int i = 0; const SummaryRow& row : rows) {
    auto* label = new QLabel(QString::fromStdString(row.label), this);
    label->setAlignment(Qt::AlignLeft | Qt::AlignTop);
    QPalette palette = label->palette();
    palette.setColor(QPalette::WindowText, theme::kMutedText);
    label->setPalette(palette);
    grid_->addWidget(label, i, 0);
    grid_->addWidget(value_label(row, this), i, 1);
    ++i;
  }
}

}  // namespace tidemark::gui
