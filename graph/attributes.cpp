#include "graph/attributes.h"

#include "base/error.h"

namespace tidemark {

template <typename T>
const T& Attributes::get(const std::string& name) const {
  const auto it = entries_.find(name);
  if (it == entries_.end()) throw Error("bad op", name, "the attribute is missing");
  const T* value = std::get_if<T>(&it->second);
  if (!value) throw Error("bad op", name, "the attribute has another type");
  return *value;
}

template const int64_t& Attributes::get<int64_t>(const std::string&) const;
template const bool& Attributes::get<bool>(const std::string&) const;
template const double& Attributes::get<double>(const std::string&) const;
template const std::string& Attributes::get<std::string>(const std::string&) const;
template const std::vector<double>& Attributes::get<std::vector<double>>(const std::string&) const;

}  // namespace tidemark
