#include "gui/widgets/legend.h"

#include <QHBoxLayout>
#include <QPainter>
#include <QVBoxLayout>
#include <algorithm>

#include "base/ticks.h"
#include "base/units.h"
#include "gui/widgets/axes.h"
#include "gui/widgets/theme.h"

namespace tidemark::gui {
namespace {

constexpr int kRowHeight = 22;
constexpr int kSwatch = 12;
constexpr int kTextLeft = 26;

/// What a mark in the plots means.
class MarkSample : public QWidget {
 public:
  MarkSample(int thickness, const QColor& color, QString text, QWidget* parent)
      : QWidget(parent), thickness_(thickness), color_(color), text_(std::move(text)) {}
  QSize sizeHint() const override { return {220, kRowHeight}; }

 protected:
  void paintEvent(QPaintEvent*) override {
    QPainter painter(this);
    painter.fillRect(QRect(4, (height() - thickness_) / 2, kSwatch + 4, thickness_), color_);
    painter.setPen(theme::kText);
    painter.drawText(rect().adjusted(kTextLeft, 0, 0, 0), Qt::AlignVCenter, text_);
  }

 private:
  int thickness_;
  QColor color_;
  QString text_;
};

QString display_name(Category category) {
  return QString::fromLatin1(name_of(category).data()).replace(QLatin1Char('_'), QLatin1Char(' '));
}

}  // namespace

LegendItem::LegendItem(Category category, QWidget* parent)
    : QAbstractButton(parent), color_(theme::color_of(category)) {
  setCheckable(true);
  setChecked(true);
  setText(display_name(category));
  setToolTip(tr("Show or hide this category"));
  setFocusPolicy(Qt::TabFocus);
}

void LegendItem::set_bytes(int64_t bytes) {
  bytes_ = QString::fromStdString(format_bytes(bytes));
  update();
}

QRect LegendItem::swatch() const {
  return {6, (height() - kSwatch) / 2, kSwatch, kSwatch};
}

QSize LegendItem::sizeHint() const {
  return {220, kRowHeight};
}

void LegendItem::paintEvent(QPaintEvent*) {
  QPainter painter(this);
  if (underMouse() || hasFocus()) painter.fillRect(rect(), theme::kGrid);
  painter.setPen(color_.darker(135));
  painter.setBrush(isChecked() ? QBrush(color_) : QBrush(Qt::NoBrush));
  painter.drawRect(swatch().adjusted(0, 0, -1, -1));
  painter.setPen(isChecked() ? theme::kText : theme::kMutedText);
  const QRect row = rect().adjusted(kTextLeft, 0, -4, 0);
  QFont font = painter.font();
  font.setStrikeOut(!isChecked());
  painter.setFont(font);
  painter.drawText(row, Qt::AlignVCenter | Qt::AlignLeft, text());
  font.setStrikeOut(false);
  painter.setFont(font);
  painter.drawText(row, Qt::AlignVCenter | Qt::AlignRight, bytes_);
}

Legend::Legend(ViewState& state, QWidget* parent) : QWidget(parent), state_(state) {
  auto* column = new QVBoxLayout(this);
  column->setContentsMargins(0, 0, 0, 0);
  column->setSpacing(0);
  auto* head = new QHBoxLayout;
  title_ = new QLabel(this);
  title_->setFont(theme::bold_font());
  total_ = new QLabel(this);
  total_->setFont(theme::bold_font());
  head->addWidget(title_);
  head->addStretch();
  head->addWidget(total_);
  head->setContentsMargins(4, 0, 4, 4);
  column->addLayout(head);
  for (size_t i = kStackOrder.size(); i-- > 0;) {  // as they lie, the top first
    const Category category = kStackOrder[i];
    auto* item = new LegendItem(category, this);
    items_[static_cast<size_t>(category)] = item;
    column->addWidget(item);
    connect(item, &QAbstractButton::toggled, this,
            [this, category](bool on) { state_.set_visible(category, on); });
  }
  planned_ = new MarkSample(2, theme::kPlanned, tr("planned"), this);
  recomputed_ = new MarkSample(kRecomputeLaneHeight, theme::kMutedText, tr("ops that run again"), this);
  column->addWidget(planned_);
  column->addWidget(recomputed_);
  connect(&state_, &ViewState::scene_changed, this, &Legend::show_scene);
  connect(&state_, &ViewState::cursor_changed, this, &Legend::show_cursor);
}

void Legend::show_scene() {
  const Scene& scene = state_.scene();
  CategorySet used;
  for (const Curve* curve : {&scene.main, &scene.planned})
    if (curve->program)
      for (const TraceBuffer& b : curve->program->buffers) used.set(static_cast<size_t>(b.category));
  for (size_t c = 0; c < kCategoryCount; ++c) items_[c]->setVisible(used[c]);
  planned_->setVisible(scene.planned.program != nullptr);
  recomputed_->setVisible(std::ranges::any_of(scene.main.program->steps, &ProgramStep::recompute));
  show_cursor();
}

void Legend::show_cursor() {
  const Curve& curve = state_.scene().main;
  if (curve.clock.empty()) return;
  const Segment& s = curve.clock[state_.cursor()];
  const CategoryBytes& live = curve.program->live[static_cast<size_t>(s.step)];
  title_->setText(tr("Live at %1").arg(QString::fromStdString(fine_seconds(s.time))));
  total_->setText(QString::fromStdString(format_bytes(total(live))));
  for (size_t c = 0; c < kCategoryCount; ++c) items_[c]->set_bytes(live[c]);
}

}  // namespace tidemark::gui
