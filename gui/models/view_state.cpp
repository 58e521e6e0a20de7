#include "gui/models/view_state.h"

#include <algorithm>

namespace tidemark::gui {

ViewState::ViewState(QObject* parent) : QObject(parent) {
  visible_.set();
}

void ViewState::set_scene(Scene scene) {
  const bool first = scene_.main.clock.empty();
  const bool other_axis = scene_.main.clock.unit() != scene.main.clock.unit();
  scene_ = std::move(scene);
  const StepClock& clock = scene_.main.clock;
  time_.set_limits(0, std::max(clock.end(), scene_.planned.clock.end()));
  if (first || other_axis) time_.reset();
  if (!clock.empty())
    cursor_ =
        first ? peak_segment(*scene_.main.program, clock, visible_) : std::min(cursor_, clock.size() - 1);
  Q_EMIT scene_changed();
}

template <typename Change>
void ViewState::change_time(Change change) {
  const AxisRange before = time_;
  change();
  if (time_ != before) Q_EMIT time_changed();
}

void ViewState::zoom_time(double factor, double anchor) {
  change_time([&] { time_.zoom(factor, anchor); });
}

void ViewState::pan_time(double delta) {
  change_time([&] { time_.pan(delta); });
}

void ViewState::reset_time() {
  change_time([&] { time_.reset(); });
}

void ViewState::set_cursor(size_t segment) {
  if (segment == cursor_ || segment >= scene_.main.clock.size()) return;
  cursor_ = segment;
  Q_EMIT cursor_changed();
}

void ViewState::jump_to_peak() {
  if (scene_.main.clock.empty()) return;
  const size_t peak = peak_segment(*scene_.main.program, scene_.main.clock, visible_);
  set_cursor(peak);
  change_time([&] { time_.reveal(scene_.main.clock[peak].begin); });
}

void ViewState::set_visible(Category category, bool visible) {
  const auto c = static_cast<size_t>(category);
  if (visible_[c] == visible) return;
  visible_[c] = visible;
  Q_EMIT visible_changed();
}

void ViewState::select(int32_t buffer) {
  if (buffer == selected_) return;
  selected_ = buffer;
  Q_EMIT selected_changed();
}

}  // namespace tidemark::gui
