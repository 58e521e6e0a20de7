#include "cli/table.h"

#include <cstdio>

#include "base/units.h"

namespace tidemark::cli {

void print_row(const std::string& label, const std::string& value) {
  std::printf("%-22s %s\n", label.c_str(), value.c_str());
}

void print_wrapped(const std::string& label, const std::string& value) {
  std::string head = label;
  for (const std::string& line : wrapped(value, 80 - 23)) {
    print_row(head, line);
    head.clear();
  }
}

std::vector<std::string> wrapped(const std::string& text, size_t width) {
  std::vector<std::string> lines;
  std::string rest = text;
  while (rest.size() > width) {
    size_t cut = rest.rfind(' ', width);
    if (cut == std::string::npos || cut == 0) cut = width;
    lines.push_back(rest.substr(0, cut));
    rest.erase(0, rest[cut] == ' ' ? cut + 1 : cut);
  }
  lines.push_back(rest);
  return lines;
}

std::string exact_bytes(int64_t bytes) {
  return format_bytes(bytes) + " (" + format_count(bytes) + " bytes)";
}

std::string decimal_bytes(int64_t bytes) {
  const bool large = bytes >= 1'000'000'000;
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %s", static_cast<double>(bytes) / (large ? 1e9 : 1e6),
                large ? "GB" : "MB");
  return text;
}

}  // namespace tidemark::cli
