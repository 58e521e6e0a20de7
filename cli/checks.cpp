#include "cli/checks.h"

#include <cmath>

namespace tidemark::cli {
namespace {

CLI::Validator number(bool zero_too) {
  const auto fault = [zero_too](const std::string& text) -> std::string {
    double value = 0;
    const bool fits = CLI::detail::lexical_cast(text, value) && std::isfinite(value) &&
                      (value > 0 || (zero_too && value == 0));
    return fits ? "" : "'" + text + "' is not a number " + (zero_too ? "from 0 on" : "above 0");
  };
  return CLI::Validator(fault, zero_too ? "NONNEGATIVE" : "POSITIVE");
}

}  // namespace

CLI::Validator positive() {
  return number(false);
}
CLI::Validator not_negative() {
  return number(true);
}

}  // namespace tidemark::cli
