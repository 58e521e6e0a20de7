#include "base/units.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "base/error.h"

namespace tidemark {
namespace {

struct Unit {
  std::string_view name;
  double bytes;
};
constexpr std::array<Unit, 16> kUnits = {{{"", 1},
                                          {"B", 1},
                                          {"kB", 1e3},
                                          {"KB", 1e3},
                                          {"MB", 1e6},
                                          {"GB", 1e9},
                                          {"TB", 1e12},
                                          {"K", 1024.},
                                          {"M", 1024. * 1024},
                                          {"G", 1024. * 1024 * 1024},
                                          {"KiB", 1024.},
                                          {"kiB", 1024.},
                                          {"MiB", 1024. * 1024},
                                          {"GiB", 1024. * 1024 * 1024},
                                          {"TiB", 1024. * 1024 * 1024 * 1024},
                                          {"T", 1024. * 1024 * 1024 * 1024}}};

std::string printed(const char* format, double value, const char* unit) {
  char buffer[48];
  std::snprintf(buffer, sizeof buffer, format, value, unit);
  return buffer;
}

}  // namespace

int64_t parse_bytes(std::string_view text, std::string_view where) {
  const auto bad = [&](const std::string& why) {
    return Error("cannot read a size", std::string(where), why + " in '" + std::string(text) + "'",
                 "write bytes or a unit, such as 300MiB or 1.5GB");
  };
  double number = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (status != std::errc() || !std::isfinite(number)) throw bad("no number");
  if (number < 0) throw bad("a negative size");
  std::string_view unit = text.substr(end - text.data());
  while (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
  for (const Unit& u : kUnits) {
    if (u.name != unit) continue;
    const double bytes = number * u.bytes;
    if (bytes >= 9.2e18) throw bad("more than 2^63 bytes");
    return static_cast<int64_t>(bytes);
  }
  throw bad("unknown unit");
}

std::string format_bytes(int64_t bytes) {
  static constexpr std::array<const char*, 5> kNames = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (std::abs(value) >= 1024 && unit + 1 < kNames.size()) {
    value /= 1024;
    ++unit;
  }
  return printed(unit == 0 ? "%.0f %s" : "%.1f %s", value, kNames[unit]);
}

std::string format_count(int64_t n) {
  std::string digits = std::to_string(n);
  for (int i = static_cast<int>(digits.size()) - 3; i > (n < 0 ? 1 : 0); i -= 3)
    digits.insert(static_cast<size_t>(i), ",");
  return digits;
}

std::string format_seconds(double s) {
  if (s < 1e-3) return printed("%.1f %s", s * 1e6, "us");
  if (s < 1) return printed("%.1f %s", s * 1e3, "ms");
  return printed("%.2f %s", s, "s");
}

std::string format_percent(double fraction) {
  return printed("%.1f %s", 100 * fraction, "%");
}

}  // namespace tidemark
