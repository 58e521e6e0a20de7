// Lines of the command's text output, within 80 columns.
#pragma once

#include <cstdint>
#include <string>

namespace tidemark::cli {

/// "label                value", the label padded to a column.
void print_row(const std::string& label, const std::string& value);

/// "301.0 MiB (315,621,376 bytes)".
std::string exact_bytes(int64_t bytes);

/// 0.123 -> "12.3 %".
std::string percent(double fraction);

}  // namespace tidemark::cli
