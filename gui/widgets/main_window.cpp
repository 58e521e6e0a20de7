#include "gui/widgets/main_window.h"

#include <QButtonGroup>
#include <QHBoxLayout>
#include <QLabel>
#include <QScrollArea>
#include <QShortcut>
#include <QSplitter>
#include <QStackedWidget>
#include <QStatusBar>
#include <QToolButton>
#include <QVBoxLayout>

#include "base/error.h"
#include "gui/widgets/arena_view.h"
#include "gui/widgets/buffer_panel.h"
#include "gui/widgets/legend.h"
#include "gui/widgets/step_selector.h"
#include "gui/widgets/summary_panel.h"
#include "gui/widgets/theme.h"
#include "gui/widgets/timeline_view.h"

namespace tidemark::gui {
namespace {

constexpr int kRefreshMilliseconds = 500;
constexpr int kSidePanelWidth = 300;
constexpr double kButtonZoom = 1.5;

QToolButton* add_button(QHBoxLayout& row, const QString& text, const QString& tip) {
  auto* button = new QToolButton;
  button->setText(text);
  button->setToolTip(tip);
  row.addWidget(button);
  return button;
}

QButtonGroup* add_choice(QHBoxLayout& row, const QStringList& texts, const QStringList& tips) {
  auto* group = new QButtonGroup(row.parentWidget());
  for (int i = 0; i < texts.size(); ++i) {
    QToolButton* button = add_button(row, texts[i], tips[i]);
    button->setCheckable(true);
    button->setChecked(i == 0);
    group->addButton(button, i);
  }
  return group;
}

QFrame* separator() {
  auto* line = new QFrame;
  line->setFixedHeight(1);
  line->setStyleSheet(QStringLiteral("background: %1").arg(theme::kLine.name()));
  return line;
}

}  // namespace

MainWindow::MainWindow(const std::vector<std::string>& files)
    : files_(files), session_(std::make_unique<Session>(files)) {
  timeline_ = new TimelineView(state_, nullptr);
  arena_ = new ArenaView(state_, nullptr);
  plots_ = new QStackedWidget;
  plots_->addWidget(timeline_);
  plots_->addWidget(arena_);
  plots_->setStyleSheet(QStringLiteral("QStackedWidget { border: 1px solid %1; }").arg(theme::kLine.name()));
  buffers_ = new BufferPanel(state_, nullptr);

  auto* upper = new QWidget;
  auto* upper_row = new QHBoxLayout(upper);
  upper_row->setContentsMargins(0, 0, 0, 0);
  upper_row->setSpacing(10);
  upper_row->addWidget(plots_, 1);
  upper_row->addWidget(make_side_panel());
  auto* splitter = new QSplitter(Qt::Vertical);
  splitter->addWidget(upper);
  splitter->addWidget(buffers_);
  splitter->setStretchFactor(0, 1);
  splitter->setSizes({1000, 230});
  splitter->setHandleWidth(10);

  auto* center = new QWidget;
  auto* column = new QVBoxLayout(center);
  column->setContentsMargins(12, 10, 12, 2);
  column->setSpacing(10);
  column->addWidget(make_top_bar());
  column->addWidget(splitter, 1);
  setCentralWidget(center);
  statusBar()->setSizeGripEnabled(false);
  statusBar()->setContentsMargins(10, 0, 10, 4);
  statusBar()->addWidget(
      new QLabel(tr("Wheel: zoom time   ·   Ctrl+wheel: zoom bytes   ·   drag: pan   ·   click: "
                    "what lives there   ·   Home: all   ·   P: peak")));
  make_shortcuts();

  setWindowTitle(QString::fromStdString(session_->title() + " – Tidemark"));
  steps_->set_steps(session_->training_steps());
  steps_->setVisible(session_->trace() != nullptr);
  update_scene();
  timeline_->setFocus();
  connect(&timer_, &QTimer::timeout, this, &MainWindow::refresh);
}

MainWindow::~MainWindow() = default;

QWidget* MainWindow::make_top_bar() {
  auto* bar = new QWidget;
  auto* row = new QHBoxLayout(bar);
  row->setContentsMargins(0, 0, 0, 0);
  row->setSpacing(4);
  plot_buttons_ = add_choice(*row, {tr("Timeline"), tr("Arena")},
                             {tr("Live bytes over time (T)"), tr("Addresses over time (A)")});
  connect(plot_buttons_, &QButtonGroup::idClicked, this,
          [this](int id) { show_plot(static_cast<ViewOptions::Plot>(id)); });
  row->addSpacing(20);
  steps_ = new StepSelector(bar);
  row->addWidget(steps_);
  connect(steps_, &StepSelector::chosen_changed, this, &MainWindow::update_scene);
  row->addStretch();
  row->addWidget(new QLabel(tr("Axis")));
  QButtonGroup* units =
      add_choice(*row, {tr("Time"), tr("Ops")},
                 {tr("As long as an op takes"), tr("Every op equally wide, so that short ones can be seen")});
  connect(units, &QButtonGroup::idClicked, this, [this](int id) {
    unit_ = static_cast<AxisUnit>(id);
    update_scene();
  });
  row->addSpacing(20);
  const auto zoom = [this](double factor) {
    state_.zoom_time(factor, (state_.time().begin() + state_.time().end()) / 2);
  };
  connect(add_button(*row, QStringLiteral("−"), tr("Show more (−)")), &QToolButton::clicked, this,
          [zoom] { zoom(1 / kButtonZoom); });
  connect(add_button(*row, QStringLiteral("+"), tr("Show less (+)")), &QToolButton::clicked, this,
          [zoom] { zoom(kButtonZoom); });
  connect(add_button(*row, tr("All"), tr("Show everything (Home)")), &QToolButton::clicked, this,
          [this] { plot()->reset_zoom(); });
  connect(add_button(*row, tr("Peak"), tr("Go to the peak (P)")), &QToolButton::clicked, &state_,
          &ViewState::jump_to_peak);
  return bar;
}

QWidget* MainWindow::make_side_panel() {
  auto* panel = new QWidget;
  auto* column = new QVBoxLayout(panel);
  column->setContentsMargins(0, 0, 0, 0);
  column->setSpacing(10);
  summary_ = new SummaryPanel(panel);
  legend_ = new Legend(state_, panel);
  column->addWidget(summary_);
  column->addWidget(separator());
  column->addWidget(legend_);
  column->addStretch();
  auto* scroll = new QScrollArea;
  scroll->setWidget(panel);
  scroll->setWidgetResizable(true);
  scroll->setFrameShape(QFrame::NoFrame);
  scroll->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
  scroll->setFixedWidth(kSidePanelWidth);
  return scroll;
}

void MainWindow::make_shortcuts() {
  const auto add = [this](const QKeySequence& key, auto action) {
    connect(new QShortcut(key, this), &QShortcut::activated, this, action);
  };
  add(QKeySequence(Qt::Key_PageUp), [this] { steps_->move(-1); });
  add(QKeySequence(Qt::Key_PageDown), [this] { steps_->move(1); });
  add(QKeySequence::Find, [this] { buffers_->search()->setFocus(); });
  for (QWidget* plot_widget : {static_cast<QWidget*>(timeline_), static_cast<QWidget*>(arena_)}) {
    const auto go = [&](Qt::Key key, ViewOptions::Plot to) {
      auto* shortcut = new QShortcut(QKeySequence(key), plot_widget);
      shortcut->setContext(Qt::WidgetShortcut);
      connect(shortcut, &QShortcut::activated, this, [this, to] { show_plot(to); });
    };
    go(Qt::Key_T, ViewOptions::Plot::timeline);
    go(Qt::Key_A, ViewOptions::Plot::arena);
  }
}

PlotWidget* MainWindow::plot() const {
  return static_cast<PlotWidget*>(plots_->currentWidget());
}

void MainWindow::show_plot(ViewOptions::Plot plot_to_show) {
  const int id = static_cast<int>(plot_to_show);
  plots_->setCurrentIndex(id);
  plot_buttons_->button(id)->setChecked(true);
  plot()->setFocus();
}

void MainWindow::show_step(int64_t training_step) {
  const std::vector<int64_t> steps = session_->training_steps();
  if (std::find(steps.begin(), steps.end(), training_step) == steps.end())
    throw Error("cannot show the trace", session_->trace() ? session_->trace()->path() : "no trace",
                "it has no complete training step " + std::to_string(training_step),
                steps.empty()
                    ? "leave --step out"
                    : "it has " + std::to_string(steps.front()) + " to " + std::to_string(steps.back()));
  steps_->choose(training_step);
}

void MainWindow::update_scene() {
  try {
    state_.set_scene(session_->scene(steps_->chosen(), unit_));
  } catch (const Error& error) {
    statusBar()->showMessage(QString::fromUtf8(error.what()));
  }
  summary_->show_rows(summarise(*session_));
}

void MainWindow::follow() {
  timer_.start(kRefreshMilliseconds);
}

void MainWindow::refresh() {
  try {
    if (!session_->refresh()) return;
  } catch (const Error&) {
    return reopen();
  }
  const std::optional<int64_t> before = steps_->chosen();
  steps_->set_steps(session_->training_steps());
  if (steps_->chosen() != before)
    update_scene();
  else
    summary_->show_rows(summarise(*session_));
}

/// The trace is gone or is another one by now. The new one may still be in the making.
void MainWindow::reopen() {
  try {
    session_ = std::make_unique<Session>(files_);
  } catch (const Error& error) {
    return statusBar()->showMessage(QString::fromUtf8(error.what()));
  }
  statusBar()->clearMessage();
  steps_->set_steps(session_->training_steps());
  update_scene();
}

}  // namespace tidemark::gui
