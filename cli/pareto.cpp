#include "cli/pareto.h"

#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/units.h"
#include "cli/plan_summary.h"
#include "cli/table.h"

namespace tidemark::cli {
namespace {

void print_line(const std::string& peak, const std::string& share, const std::string& step,
                const std::string& over, const std::string& gap, const std::string& strategy) {
  std::printf("%11s %14s %11s %9s %9s  %s\n", peak.c_str(), share.c_str(), step.c_str(), over.c_str(),
              gap.c_str(), strategy.c_str());
}

void print_curve(const std::vector<Plan>& curve) {
  std::printf("\n");
  print_line("peak", "of unplanned", "step", "over", "gap", "strategy");
  for (const Plan& p : curve)
    print_line(
        format_bytes(p.arena_bytes),
        format_percent(static_cast<double>(p.arena_bytes) / static_cast<double>(p.unplanned_peak_bytes)),
        format_seconds(p.predicted_seconds), format_percent(p.predicted_seconds / p.unplanned_seconds - 1),
        format_percent(p.gap), p.strategy);
  std::printf("\nover: seconds more than unplanned; gap: no plan in this peak is faster by more\n");
}

nlohmann::json curve_json(const std::vector<Plan>& curve) {
  nlohmann::json points = nlohmann::json::array();
  for (const Plan& p : curve) points.push_back(plan_summary(p));
  return {{"unplanned_peak_bytes", curve.back().unplanned_peak_bytes},
          {"smallest_feasible_bytes", curve.front().arena_bytes},
          {"points", points}};
}

}  // namespace

void show_curve(const Graph& graph, const std::vector<Plan>& curve, const CurveOutput& output) {
  if (!output.picture.empty())
    write_text_file(output.picture, curve_svg(graph.name(), curve), "cannot save the picture");
  if (output.as_json)
    std::cout << curve_json(curve).dump(2) << "\n";
  else
    print_curve(curve);
}

}  // namespace tidemark::cli
