#include "base/ticks.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace tidemark {
namespace {

struct Unit {
  const char* name;
  double size;
};

constexpr std::array<Unit, 5> kByteUnits = {
    {{"B", 1}, {"KiB", 0x1p10}, {"MiB", 0x1p20}, {"GiB", 0x1p30}, {"TiB", 0x1p40}}};
constexpr std::array<Unit, 4> kTimeUnits = {{{"ns", 1e-9}, {"µs", 1e-6}, {"ms", 1e-3}, {"s", 1}}};

/// The largest unit in which `value` is at least one.
template <size_t N>
Unit unit_for(const std::array<Unit, N>& units, double value) {
  Unit chosen = units.front();
  for (const Unit& u : units)
    if (value >= u.size) chosen = u;
  return chosen;
}

/// 1, 2 or 5 times a power of ten.
double round_step(double span, int most) {
  const double raw = span / std::max(1, most);
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  for (double factor : {1.0, 2.0, 5.0})
    if (raw <= factor * power * (1 + 1e-9)) return factor * power;
  return 10 * power;
}

std::string with_unit(double number, int decimals, const char* unit) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f%s%s", decimals, number, *unit == 0 ? "" : " ", unit);
  return text;
}

std::vector<Tick> ticks(double low, double high, int most, Unit unit, double least_step) {
  std::vector<Tick> list;
  if (!(high > low)) return list;
  const double step = std::max(least_step, round_step((high - low) / unit.size, most));
  const int decimals = std::max(0, static_cast<int>(-std::floor(std::log10(step) + 1e-9)));
  const auto first = static_cast<int64_t>(std::ceil(low / unit.size / step - 1e-9));
  const auto last = static_cast<int64_t>(std::floor(high / unit.size / step + 1e-9));
  for (int64_t i = first; i <= last; ++i) {
    const double number = static_cast<double>(i) * step;
    list.push_back({number * unit.size, with_unit(number, decimals, unit.name)});
  }
  return list;
}

}  // namespace

std::vector<Tick> byte_ticks(double low, double high, int most) {
  const Unit unit = unit_for(kByteUnits, std::max(std::abs(low), std::abs(high)));
  return ticks(low, high, most, unit, unit.size == 1 ? 1 : 0);
}

std::vector<Tick> second_ticks(double low, double high, int most) {
  return ticks(low, high, most, unit_for(kTimeUnits, std::max(std::abs(low), std::abs(high))), 0);
}

std::vector<Tick> count_ticks(double low, double high, int most) {
  return ticks(low, high, most, {"", 1}, 1);
}

std::string fine_seconds(double seconds) {
  const Unit u = unit_for(kTimeUnits, seconds);
  return with_unit(seconds / u.size, 3, u.name);
}

}  // namespace tidemark
