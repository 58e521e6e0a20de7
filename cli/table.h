// Lines of the command's text output, within 80 columns.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tidemark::cli {

/// "label                value", the label padded to a column.
void print_row(const std::string& label, const std::string& value);

/// The same over as many lines as the value needs.
void print_wrapped(const std::string& label, const std::string& value);

/// Text cut at blanks into lines of at most `width` characters; longer words are cut.
std::vector<std::string> wrapped(const std::string& text, size_t width);

/// "301.0 MiB (315,621,376 bytes)".
std::string exact_bytes(int64_t bytes);

/// With decimal prefixes, as states of models are usually given: "107.8 GB".
std::string decimal_bytes(int64_t bytes);

}  // namespace tidemark::cli
