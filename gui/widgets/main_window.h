// The window: plots, summary, legend and table around one view state.
#pragma once

#include <QMainWindow>
#include <QTimer>
#include <memory>

#include "gui/models/session.h"
#include "gui/models/view_state.h"
#include "gui/viewer.h"

class QButtonGroup;
class QStackedWidget;

namespace tidemark::gui {

class ArenaView;
class BufferPanel;
class Legend;
class PlotWidget;
class StepSelector;
class SummaryPanel;
class TimelineView;

class MainWindow : public QMainWindow {
  Q_OBJECT

 public:
  /// Throws Error as Session does.
  explicit MainWindow(const std::vector<std::string>& files);
  ~MainWindow() override;

  ViewState& state() { return state_; }
  void show_plot(ViewOptions::Plot plot);
  /// Throws Error where the trace has no such training step.
  void show_step(int64_t training_step);
  /// Looks whether the trace has grown, now and then by a timer once follow() was called.
  void refresh();
  void follow();

 private:
  QWidget* make_top_bar();
  QWidget* make_side_panel();
  void make_shortcuts();
  PlotWidget* plot() const;
  /// Shows the chosen training step in the chosen unit; damage becomes a message.
  void update_scene();
  void reopen();

  std::vector<std::string> files_;
  std::unique_ptr<Session> session_;
  ViewState state_;
  AxisUnit unit_ = AxisUnit::seconds;
  QTimer timer_;
  TimelineView* timeline_ = nullptr;
  ArenaView* arena_ = nullptr;
  QStackedWidget* plots_ = nullptr;
  QButtonGroup* plot_buttons_ = nullptr;
  StepSelector* steps_ = nullptr;
  SummaryPanel* summary_ = nullptr;
  Legend* legend_ = nullptr;
  BufferPanel* buffers_ = nullptr;
};

}  // namespace tidemark::gui
