// What all parts of the window share: the scene, the part of time that is shown, the cursor, the visible
// categories and the selected buffer.
#pragma once

#include <QObject>

#include "gui/models/axis_range.h"
#include "gui/models/scene.h"
#include "gui/models/stack.h"

namespace tidemark::gui {

class ViewState : public QObject {
  Q_OBJECT

 public:
  static constexpr int32_t kNoBuffer = -1;

  explicit ViewState(QObject* parent = nullptr);

  const Scene& scene() const { return scene_; }
  /// Keeps the zoom where the axis means the same, the visible categories, and the cursor's op.
  void set_scene(Scene scene);

  const AxisRange& time() const { return time_; }
  void zoom_time(double factor, double anchor);
  void pan_time(double delta);
  void reset_time();

  /// A segment of the main curve; 0 where it is empty.
  size_t cursor() const { return cursor_; }
  void set_cursor(size_t segment);
  void jump_to_peak();

  CategorySet visible() const { return visible_; }
  void set_visible(Category category, bool visible);

  /// Of the main curve, or kNoBuffer.
  int32_t selected() const { return selected_; }
  void select(int32_t buffer);

 Q_SIGNALS:
  void scene_changed();
  void time_changed();
  void cursor_changed();
  void visible_changed();
  void selected_changed();

 private:
  template <typename Change>
  void change_time(Change change);

  Scene scene_;
  AxisRange time_;
  CategorySet visible_;
  size_t cursor_ = 0;
  int32_t selected_ = kNoBuffer;
};

}  // namespace tidemark::gui
