// Damages a JSON document at random places, but leaves it JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <random>
#include <vector>

namespace tidemark::test {

class JsonMutator {
 public:
  explicit JsonMutator(unsigned seed) : random_(seed) {}

  nlohmann::json mutate(nlohmann::json document) {
    for (size_t changes = 1 + draw(3); changes-- > 0;) {
      std::vector<nlohmann::json*> nodes;
      collect(document, nodes);
      change(*any(nodes), *any(nodes));
    }
    return document;
  }

 private:
  size_t draw(size_t n) { return static_cast<size_t>(random_() % n); }
  template <typename T>
  const T& any(const std::vector<T>& from) {
    return from[draw(from.size())];
  }

  static void collect(nlohmann::json& node, std::vector<nlohmann::json*>& nodes) {
    nodes.push_back(&node);
    if (node.is_structured())
      for (nlohmann::json& child : node) collect(child, nodes);
  }

  void change(nlohmann::json& node, const nlohmann::json& other) {
    static const std::vector<nlohmann::json> kOdd = {nullptr,
                                                     true,
                                                     false,
                                                     0,
                                                     1,
                                                     -1,
                                                     3,
                                                     64,
                                                     0.5,
                                                     1e308,
                                                     INT64_MAX,
                                                     INT64_MIN,
                                                     UINT64_MAX,
                                                     1LL << 40,
                                                     "",
                                                     "x",
                                                     "opaque",
                                                     nlohmann::json::array(),
                                                     nlohmann::json::object()};
    const size_t kind = draw(5);
    if (node.is_array() && !node.empty() && kind < 4) {
      const size_t i = draw(node.size()), k = draw(node.size());
      if (kind == 0) node.erase(i);
      if (kind == 1) node.push_back(nlohmann::json(node[i]));
      if (kind == 2) std::swap(node[i], node[k]);
      if (kind == 3) node[i] = nlohmann::json(node[k]);
    } else if (node.is_object() && !node.empty() && kind < 2) {
      node.erase(std::next(node.begin(), static_cast<std::ptrdiff_t>(draw(node.size()))));
    } else {
      node = kind == 4 ? nlohmann::json(other) : any(kOdd);
    }
  }

  std::mt19937 random_;
};

}  // namespace tidemark::test
