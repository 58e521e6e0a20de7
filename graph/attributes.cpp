#include "graph/attributes.h"

#include "base/error.h"

namespace tidemark {

template <typename T>
const T& Attributes::get(std::string_view name) const {
  const auto it = entries_.find(name);
  if (it == entries_.end()) throw Error("bad op", std::string(name), "the attribute is missing");
  const T* value = std::get_if<T>(&it->second);
  if (!value) throw Error("bad op", std::string(name), "the attribute has another type");
  return *value;
}

template const int64_t& Attributes::get<int64_t>(std::string_view) const;
template const bool& Attributes::get<bool>(std::string_view) const;
template const double& Attributes::get<double>(std::string_view) const;
template const std::string& Attributes::get<std::string>(std::string_view) const;
template const std::vector<double>& Attributes::get<std::vector<double>>(std::string_view) const;

}  // namespace tidemark
