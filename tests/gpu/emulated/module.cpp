#include "tests/gpu/emulated/module.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "tests/gpu/emulated/fault.h"
#include "tests/gpu/emulated/parser.h"

namespace tidemark::emulated {
namespace {

bool is_name(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$' || c == '%';
}

std::string_view word_at(std::string_view text, size_t at) {
  while (at < text.size() && std::isspace(static_cast<unsigned char>(text[at]))) ++at;
  size_t end = at;
  while (end < text.size() && is_name(text[end])) ++end;
  return text.substr(at, end - at);
}

/// Of the brace at `open`; npos: there is none.
size_t closing_brace(std::string_view text, size_t open) {
  int depth = 0;
  for (size_t at = open; at < text.size(); ++at) {
    if (text[at] == '{') ++depth;
    if (text[at] == '}' && --depth == 0) return at;
  }
  return std::string_view::npos;
}

}  // namespace

Module::Module(std::string text, DeviceMemory& memory) : text_(std::move(text)), memory_(memory) {
  find_functions();
}
Module::~Module() = default;

// At the top level only directives stand, each at the beginning of a line.
void Module::find_functions() {
  const std::string_view text = text_;
  int line = 1;
  for (size_t at = 0; at < text.size(); ++line) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view whole = text.substr(at, end - at);
    const size_t entry = whole.find(".entry "), func = whole.find(".func ");
    if (whole.starts_with("//")) {
    } else if (whole.starts_with(".global") || whole.starts_with(".const")) {
      add_variable(whole);
    } else if (whole.starts_with(".shared")) {
      shared_.emplace(word_at(whole, whole.find(".b8 ") + 4), whole.substr(whole.find(' ') + 1));
    } else if (whole.starts_with(".extern .shared")) {
      dynamic_shared_.emplace(word_at(whole, whole.find(".b8 ") + 4));
    } else if (entry != std::string_view::npos || func != std::string_view::npos) {
      const bool is_entry = entry != std::string_view::npos;
      const size_t begin = text.find_first_not_of(' ', at + (is_entry ? entry + 7 : func + 6));
      // A declaration ends with a semicolon, a definition has a body.
      const size_t semicolon = text.find("\n;", at), body = text.find("\n{", at);
      if (body == std::string_view::npos || semicolon < body) {
        line += static_cast<int>(std::count(text.begin() + static_cast<std::ptrdiff_t>(at),
                                            text.begin() + static_cast<std::ptrdiff_t>(semicolon), '\n'));
        at = semicolon + 1;
        continue;
      }
      const size_t last = closing_brace(text, body + 1);
      if (last == std::string_view::npos)
        throw Fault(FaultKind::unsupported, "PTX, line " + std::to_string(line) + ": no end of the function");
      const std::string_view source = text.substr(begin, last + 1 - begin);
      size_t name_at = begin;
      if (text[begin] == '(') name_at = text.find(')', begin) + 1;
      functions_.insert_or_assign(std::string(word_at(text, name_at)),
                                  Source{source, is_entry, line, nullptr});
      line += static_cast<int>(std::count(text.begin() + static_cast<std::ptrdiff_t>(at),
                                          text.begin() + static_cast<std::ptrdiff_t>(last), '\n'));
      at = last + 2;
      continue;
    }
    at = end + 1;
  }
}

/// ".global .align 16 .b8 name[128] = {70, 210, …};", of bytes alone.
void Module::add_variable(std::string_view declaration) {
  const size_t type = declaration.find(".b8 "), bracket = declaration.find('['),
               brace = declaration.find('{');
  if (type == std::string_view::npos || bracket == std::string_view::npos)
    throw Fault(FaultKind::unsupported, "PTX: the variable " + std::string(declaration.substr(0, 80)));
  const std::string_view name = word_at(declaration, type + 4);
  size_t bytes = 0;
  std::from_chars(declaration.data() + bracket + 1, declaration.data() + declaration.size(), bytes);
  auto* const memory = static_cast<uint8_t*>(memory_.allocate(bytes, DeviceMemory::Kind::device));
  if (brace != std::string_view::npos) {
    const char* at = declaration.data() + brace + 1;
    const char* const end = declaration.data() + declaration.size();
    for (size_t i = 0; i < bytes && at < end; ++i) {
      int value = 0;
      at = std::from_chars(at, end, value).ptr;
      memory[i] = static_cast<uint8_t>(value);
      while (at < end && (*at == ',' || *at == ' ')) ++at;
    }
  }
  variables_.insert_or_assign(std::string(name), reinterpret_cast<uint64_t>(memory));
}

const Function& Module::function(std::string_view name) {
  const auto found = functions_.find(name);
  if (found == functions_.end())
    throw Fault(FaultKind::unsupported, "PTX has no function '" + std::string(name) + "'");
  Source& source = found->second;
  if (!source.decoded)
    source.decoded = FunctionParser(*this, name, source.text, source.entry, source.line).parse();
  return *source.decoded;
}

}  // namespace tidemark::emulated
