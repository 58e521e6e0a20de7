#include "gui/widgets/step_selector.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QSignalBlocker>
#include <algorithm>

namespace tidemark::gui {

StepSelector::StepSelector(QWidget* parent)
    : QWidget(parent),
      previous_(new QToolButton(this)),
      next_(new QToolButton(this)),
      list_(new QComboBox(this)),
      follow_(new QCheckBox(tr("Follow"), this)) {
  previous_->setText(QStringLiteral("‹"));
  previous_->setToolTip(tr("Previous training step (Page Up)"));
  next_->setText(QStringLiteral("›"));
  next_->setToolTip(tr("Next training step (Page Down)"));
  list_->setMinimumWidth(90);
  list_->setMaxVisibleItems(20);
  follow_->setToolTip(tr("Show each new training step as the trace is written"));
  follow_->setChecked(true);
  auto* row = new QHBoxLayout(this);
  row->setContentsMargins(0, 0, 0, 0);
  row->setSpacing(4);
  row->addWidget(new QLabel(tr("Training step"), this));
  for (QWidget* part : std::initializer_list<QWidget*>{previous_, list_, next_, follow_})
    row->addWidget(part);
  connect(previous_, &QToolButton::clicked, this, [this] { move(-1); });
  connect(next_, &QToolButton::clicked, this, [this] { move(1); });
  connect(list_, &QComboBox::currentIndexChanged, this, [this](int row_index) {
    follow_->setChecked(row_index == list_->count() - 1 && follow_->isChecked());
    update_buttons();
    Q_EMIT chosen_changed();
  });
}

void StepSelector::set_steps(const std::vector<int64_t>& steps) {
  if (steps == steps_) return;
  const std::optional<int64_t> before = chosen();
  const bool grown = steps.size() > steps_.size() && std::equal(steps_.begin(), steps_.end(), steps.begin());
  const QSignalBlocker silent(list_);
  if (!grown) list_->clear();
  for (size_t i = grown ? steps_.size() : 0; i < steps.size(); ++i) list_->addItem(QString::number(steps[i]));
  steps_ = steps;
  const auto kept = before ? std::ranges::find(steps_, *before) : steps_.end();
  const bool newest = follow_->isChecked() || kept == steps_.end();
  list_->setCurrentIndex(newest ? list_->count() - 1 : static_cast<int>(kept - steps_.begin()));
  update_buttons();
}

std::optional<int64_t> StepSelector::chosen() const {
  const int row = list_->currentIndex();
  if (row < 0 || static_cast<size_t>(row) >= steps_.size()) return {};
  return steps_[static_cast<size_t>(row)];
}

void StepSelector::choose(int64_t step) {
  const auto found = std::ranges::find(steps_, step);
  if (found != steps_.end()) list_->setCurrentIndex(static_cast<int>(found - steps_.begin()));
}

void StepSelector::move(int by) {
  list_->setCurrentIndex(std::clamp(list_->currentIndex() + by, 0, std::max(0, list_->count() - 1)));
}

void StepSelector::update_buttons() {
  previous_->setEnabled(list_->currentIndex() > 0);
  next_->setEnabled(list_->currentIndex() + 1 < list_->count());
}

}  // namespace tidemark::gui
