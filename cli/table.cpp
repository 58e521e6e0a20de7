#include "cli/table.h"

#include <cstdio>

#include "base/units.h"

namespace tidemark::cli {

void print_row(const std::string& label, const std::string& value) {
  std::printf("%-22s %s\n", label.c_str(), value.c_str());
}

std::string exact_bytes(int64_t bytes) {
  return format_bytes(bytes) + " (" + format_count(bytes) + " bytes)";
}

std::string percent(double fraction) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %%", 100 * fraction);
  return text;
}

}  // namespace tidemark::cli
