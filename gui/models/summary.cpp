#include "gui/models/summary.h"

#include <algorithm>
#include <cstdio>

#include "base/units.h"

namespace tidemark::gui {
namespace {

using State = SummaryRow::State;

SummaryRow bytes_row(const std::string& label, int64_t bytes) {
  return {label, format_bytes(bytes), format_count(bytes) + " bytes"};
}

/// Of all training steps; 0 where it was not recorded.
int64_t measured_peak(const Trace& trace) {
  int64_t peak = 0;
  for (const TrainingStep& s : trace.steps()) peak = std::max(peak, s.arena_resident_bytes);
  return peak;
}

/// Of the last training step: the first ones warm up.
double measured_seconds(const Trace& trace) {
  const TrainingStep& s = trace.steps().back();
  return static_cast<double>(std::max<int64_t>(0, s.end_ns) - std::max<int64_t>(0, s.start_ns)) * 1e-9;
}

SummaryRow comparison(int64_t measured, const Session& session) {
  const int64_t difference = measured - session.plan()->predicted_peak_bytes;
  if (!session.ran_the_plan())
    return {"Measured vs planned", "not of this plan", "The trace's ops or buffers are not the plan's."};
  if (measured == 0)
    return {"Measured vs planned", "not recorded", "The trace has no resident bytes.", State::plain};
  if (difference == 0)
    return {"Measured vs planned", "equal, to the byte", "As a plan promises.", State::good};
  return {"Measured vs planned", format_bytes(std::abs(difference)) + (difference > 0 ? " above" : " below"),
          format_count(difference) + " bytes", State::bad};
}

SummaryRow headroom(int64_t peak, int64_t budget) {
  const int64_t left = budget - peak;
  return {left >= 0 ? "Below the budget by" : "Above the budget by", format_bytes(std::abs(left)),
          format_count(std::abs(left)) + " bytes", left >= 0 ? State::good : State::bad};
}

void add_trace(const Session& session, std::vector<SummaryRow>& rows) {
  const Trace& trace = *session.trace();
  if (const int64_t peak = measured_peak(trace); peak > 0) {
    rows.push_back(bytes_row("Measured peak", peak));
    rows.back().detail += ": physical pages of the arena, as the kernel counts them";
  }
  if (session.plan()) rows.push_back(comparison(measured_peak(trace), session));
}

void add_plan(const Session& session, std::vector<SummaryRow>& rows) {
  const PlanTimeline& plan = *session.plan();
  rows.push_back(bytes_row("Planned peak", plan.predicted_peak_bytes));
  if (plan.unplanned_peak_bytes > 0) {
    rows.push_back(bytes_row("Unplanned peak", plan.unplanned_peak_bytes));
    rows.push_back({"Plan saves",
                    format_percent(1 - static_cast<double>(plan.predicted_peak_bytes) /
                                           static_cast<double>(plan.unplanned_peak_bytes)),
                    "Of the unplanned peak."});
  }
  if (plan.budget_bytes > 0) {
    rows.push_back(bytes_row("Budget", plan.budget_bytes));
    rows.push_back(headroom(plan.predicted_peak_bytes, plan.budget_bytes));
  }
  rows.push_back({"Strategy", plan.strategy, "Op times: " + plan.cost_model});
  rows.push_back({"Optimality gap", "at most " + format_percent(plan.gap),
                  "No plan within the budget is faster by more than this."});
}

void add_times(const Session& session, std::vector<SummaryRow>& rows) {
  const Trace* trace = session.trace();
  if (trace && !trace->steps().empty())
    rows.push_back({"Measured step", format_seconds(measured_seconds(*trace)), "The last training step."});
  if (session.plan())
    rows.push_back({"Predicted step", format_seconds(session.plan()->predicted_seconds),
                    "Without recomputation " + format_seconds(session.plan()->unplanned_seconds)});
}

}  // namespace

std::vector<SummaryRow> summarise(const Session& session) {
  std::vector<SummaryRow> rows;
  rows.push_back({"Model", session.title(), {}});
  if (session.trace()) add_trace(session, rows);
  if (session.plan()) add_plan(session, rows);
  add_times(session, rows);
  if (session.trace() && !session.trace()->damage().empty())
    rows.push_back({"Damage", session.trace()->damage(), "What comes before it is shown.", State::bad});
  return rows;
}

}  // namespace tidemark::gui
