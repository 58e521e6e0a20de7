#include "cli/help.h"

#include "cli/table.h"

namespace tidemark::cli {
namespace {

constexpr size_t kColumn = 25;
constexpr size_t kWidth = 80;

std::string entry(const std::string& name, const std::string& description) {
  std::string text = "  " + name;
  if (text.size() + 1 > kColumn) text += "\n";
  bool first = text.back() != '\n';
  for (const std::string& line : wrapped(description, kWidth - kColumn)) {
    text += std::string(first ? kColumn - text.size() : kColumn, ' ') + line + "\n";
    first = false;
  }
  return text;
}

}  // namespace

std::string HelpFormatter::make_option(const CLI::Option* option, bool is_positional) const {
  std::string name = make_option_name(option, is_positional);
  const std::string type = get_label(option->get_type_name());  // "INT:POSITIVE"
  if (!is_positional && option->get_type_size() != 0) name += " " + type.substr(0, type.find(':'));
  std::string description = option->get_description();
  if (option->get_required() && !is_positional) description += " (required)";
  if (!option->get_default_str().empty()) description += " [" + option->get_default_str() + "]";
  return entry(name, description);
}

std::string HelpFormatter::make_subcommand(const CLI::App* subcommand) const {
  return entry(subcommand->get_name(), subcommand->get_description());
}

}  // namespace tidemark::cli
