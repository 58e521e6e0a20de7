// What `tidemark plan --pareto` shows: the trade-off of peak and time as a table, JSON or picture.
#pragma once

#include <string>
#include <vector>

#include "planner/pareto.h"

namespace tidemark::cli {

struct CurveOutput {
  bool as_json = false;
  std::string picture;  ///< path of an SVG; empty: none
};

/// `curve` is as pareto_curve returns it.
void show_curve(const Graph& graph, const std::vector<Plan>& curve, const CurveOutput& output);

/// The curve as an SVG document: peak from left to right, step time upwards, each plan a dot.
std::string curve_svg(const std::string& title, const std::vector<Plan>& curve);

}  // namespace tidemark::cli
