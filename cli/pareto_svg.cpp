#include <algorithm>
#include <cstdio>

#include "base/ticks.h"
#include "base/units.h"
#include "cli/pareto.h"

namespace tidemark::cli {
namespace {

constexpr double kWidth = 720, kHeight = 440, kLeft = 90, kRight = 30, kTop = 50, kBottom = 60;
constexpr int kTicks = 6;  // along an axis, at most about

/// Values from..to on an axis whose ends lie at two places of the picture.
struct Axis {
  double from, to, begin, end;

  double at(double value) const { return begin + (value - from) / (to - from) * (end - begin); }
};

/// Some air around; of a single value, too.
Axis axis(double least, double most, double begin, double end) {
  const double air = most > least ? 0.06 * (most - least) : std::max(0.1 * most, 1e-12);
  return {least - air, most + air, begin, end};
}

std::string escaped(const std::string& text) {
  std::string out;
  for (char c : text)
    if (c == '<' || c == '>' || c == '&')
      out += c == '<' ? "&lt;" : c == '>' ? "&gt;" : "&amp;";
    else
      out += c;
  return out;
}

template <typename... Values>
std::string format(const char* pattern, Values... values) {
  char text[256];
  std::snprintf(text, sizeof text, pattern, values...);
  return text;
}

std::string label(double x, double y, const char* anchor, const std::string& text) {
  return format("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor) + escaped(text) +
         "</text>\n";
}

std::string line(double x1, double y1, double x2, double y2, const char* colour) {
  return format("<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>\n", x1, y1, x2, y2,
                colour);
}

std::string grid(const Axis& x, const Axis& y) {
  std::string svg;
  for (const Tick& t : byte_ticks(x.from, x.to, kTicks)) {
    const double column = x.at(t.value);
    svg += line(column, y.begin, column, y.end, "#e4e4e4") + label(column, y.begin + 18, "middle", t.label);
  }
  for (const Tick& t : second_ticks(y.from, y.to, kTicks)) {
    const double row = y.at(t.value);
    svg += line(x.begin, row, x.end, row, "#e4e4e4") + label(x.begin - 8, row + 4, "end", t.label);
  }
  return svg + line(x.begin, y.begin, x.end, y.begin, "#333") +
         line(x.begin, y.begin, x.begin, y.end, "#333");
}

}  // namespace

std::string curve_svg(const std::string& title, const std::vector<Plan>& curve) {
  // The curve falls, so its ends are its extremes.
  const Axis x = axis(static_cast<double>(curve.front().arena_bytes),
                      static_cast<double>(curve.back().arena_bytes), kLeft, kWidth - kRight);
  const Axis y =
      axis(curve.back().predicted_seconds, curve.front().predicted_seconds, kHeight - kBottom, kTop);
  std::string svg = format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" font-family=\"sans-serif\" "
      "font-size=\"12\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
      kWidth, kHeight);
  svg += grid(x, y) + label(kWidth / 2, 24, "middle", title + ": the trade-off of peak and time");
  svg += label((kLeft + kWidth - kRight) / 2, kHeight - 14, "middle", "predicted peak");
  svg += label(kLeft, kTop - 10, "middle", "predicted step");
  // Between two plans, the budget of the larger one is not reached: the smaller one is the best known.
  std::string path, dots;
  for (const Plan& p : curve) {
    const double px = x.at(static_cast<double>(p.arena_bytes)), py = y.at(p.predicted_seconds);
    path += path.empty() ? format("M%.1f %.1f", px, py) : format(" H%.1f V%.1f", px, py);
    dots += format("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"#1f6fb2\"><title>", px, py) +
            escaped(format_bytes(p.arena_bytes) + ", " + format_seconds(p.predicted_seconds) + ", " +
                    p.strategy) +
            "</title></circle>\n";
  }
  return svg + "<path d=\"" + path + "\" fill=\"none\" stroke=\"#1f6fb2\" stroke-width=\"2\"/>\n" + dots +
         "</svg>\n";
}

}  // namespace tidemark::cli
