// Which training step of a trace is shown.
#pragma once

#include <QCheckBox>
#include <QComboBox>
#include <QToolButton>
#include <QWidget>
#include <optional>
#include <vector>

namespace tidemark::gui {

class StepSelector : public QWidget {
  Q_OBJECT

 public:
  explicit StepSelector(QWidget* parent);

  /// The steps there are. Keeps the choice, except that the newest is chosen where there was none, and
  /// while the user follows the trace.
  void set_steps(const std::vector<int64_t>& steps);
  std::optional<int64_t> chosen() const;
  void choose(int64_t step);
  void move(int by);

  QComboBox* list() const { return list_; }
  QCheckBox* follow() const { return follow_; }

 Q_SIGNALS:
  void chosen_changed();

 private:
  void update_buttons();

  std::vector<int64_t> steps_;
  QToolButton* previous_;
  QToolButton* next_;
  QComboBox* list_;
  QCheckBox* follow_;
};

}  // namespace tidemark::gui
