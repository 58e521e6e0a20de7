// A plot of a real plan's run in a window of its own, and what a user does with the mouse.
#pragma once

#include <gtest/gtest.h>

#include <QApplication>
#include <QTest>
#include <QWheelEvent>

#include "gui/models/session.h"
#include "gui/models/view_state.h"
#include "gui/widgets/plot_widget.h"
#include "tests/gui/recording.h"
#include "tests/scratch.h"

namespace tidemark::gui::test {

inline void turn_wheel(QWidget& widget, QPoint at, int notches, Qt::KeyboardModifiers keys = {}) {
  QWheelEvent event(at, widget.mapToGlobal(at), {}, {0, 120 * notches}, Qt::NoButton, keys, Qt::NoScrollPhase,
                    false);
  QApplication::sendEvent(&widget, &event);
}

inline void drag(QWidget& widget, QPoint from, QPoint to) {
  QTest::mousePress(&widget, Qt::LeftButton, {}, from);
  for (int i = 1; i <= 10; ++i) {
    const QPoint at = from + (to - from) * i / 10;
    QMouseEvent move(QEvent::MouseMove, at, widget.mapToGlobal(at), Qt::NoButton, Qt::LeftButton, {});
    QApplication::sendEvent(&widget, &move);
  }
  QTest::mouseRelease(&widget, Qt::LeftButton, {}, to);
}

template <typename Plot>
class PlotTest : public ScratchTest {
 protected:
  void SetUp() override {
    ScratchTest::SetUp();
    recording_.save_trace(path("run.tide"));
    recording_.save_plan(path("plan.json"));
    session_ = std::make_unique<Session>(std::vector{path("run.tide"), path("plan.json")});
    plot_.resize(900, 520);
    plot_.show();
    state_.set_scene(session_->scene(1, AxisUnit::seconds));
    QApplication::processEvents();
  }

  const Scene& scene() const { return state_.scene(); }
  PlotGeometry geometry() const { return plot_.geometry_of_plot(); }
  /// A pixel of the plot by its place from left and from top, 0 to 1.
  QPoint point(double x, double y) const {
    const QRect area = geometry().area;
    return {area.left() + static_cast<int>(x * area.width()),
            area.top() + static_cast<int>(y * area.height())};
  }

  const tidemark::test::Recording recording_{{.batch = 8, .budget_percent = 80, .micro_batches = 2}};
  std::unique_ptr<Session> session_;
  ViewState state_;
  Plot plot_{state_, nullptr};
};

}  // namespace tidemark::gui::test
