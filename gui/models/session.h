// The files of one viewer: a trace, a plan, or both.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gui/models/scene.h"

namespace tidemark::gui {

class Session {
 public:
  /// In any order; a file's content says what it is. Throws Error where one cannot be read, is neither a
  /// trace nor a plan, or where there are two of a kind.
  explicit Session(const std::vector<std::string>& paths);

  const Trace* trace() const { return trace_.get(); }
  const PlanTimeline* plan() const { return plan_ ? &*plan_ : nullptr; }
  /// Whether the trace is of a run of the plan. False where one of them is missing.
  bool ran_the_plan() const { return ran_the_plan_; }
  std::string title() const;  ///< of the model

  /// Training steps that can be shown, in order: those that are complete, or else one that is not. Empty
  /// for a plan alone, and for a trace whose first step has not begun.
  std::vector<int64_t> training_steps() const;
  /// Throws Error where the trace's times are damaged.
  Scene scene(std::optional<int64_t> training_step, AxisUnit unit) const;

  /// Whether the trace has grown. Throws Error as Trace::refresh does.
  bool refresh();

 private:
  void open(const std::string& path);

  std::shared_ptr<Trace> trace_;  ///< `traced_` shows its rows
  std::optional<PlanTimeline> plan_;
  std::shared_ptr<const Program> traced_, planned_;
  bool same_ops_ = false, ran_the_plan_ = false;
};

}  // namespace tidemark::gui
