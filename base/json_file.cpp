#include "base/json_file.h"

#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "base/error.h"
#include "base/file.h"

namespace tidemark {

using nlohmann::json;

namespace {

std::string with_quoted_literals(std::string_view text) {
  std::string out;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const std::string_view rest = text.substr(i);
    if (!in_string) {
      std::string_view literal;
      for (const std::string_view name : {"-Infinity", "Infinity", "NaN"})
        if (rest.starts_with(name)) literal = name;
      if (!literal.empty()) {
        out.append("\"").append(literal).append("\"");
        i += literal.size() - 1;
        continue;
      }
    }
    if (in_string && text[i] == '\\' && rest.size() > 1)
      out += text[i++];
    else if (text[i] == '"')
      in_string = !in_string;
    out += text[i];
  }
  return out;
}

}  // namespace

json parse_json(std::string_view text, const std::string& where, const std::string& what) {
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  const auto check_keys = [&](int, json::parse_event_t event, json& value) {
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end) keys.pop_back();
    if (event == json::parse_event_t::key && !keys.back().insert(value.get<std::string>()).second)
      throw Error(what, where, "the key " + value.dump() + " appears twice", "remove one");
    return true;
  };
  try {
    return json::parse(text.begin(), text.end(), check_keys);
  } catch (const json::parse_error& error) {
    throw Error(what, where, "not valid JSON at byte " + std::to_string(error.byte), "check the file");
  } catch (const json::out_of_range&) {
    throw Error(what, where, "a number in it is larger than any double", "check the file");
  }
}

json read_json(const std::string& path, const std::string& what) {
  return parse_json(read_text_file(path, what), path, what);
}

json parse_python_json(std::string_view text, const std::string& where, const std::string& what) {
  return parse_json(with_quoted_literals(text), where, what);
}

json read_python_json(const std::string& path, const std::string& what) {
  return parse_python_json(read_text_file(path, what), path, what);
}

}  // namespace tidemark
