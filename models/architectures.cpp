#include "models/architectures.h"

namespace tidemark {

const std::vector<Architecture>& architectures() {
  static const std::vector<Architecture> list = {
      {"llama", make_llama},
      {"rnn", make_rnn},
      {"lstm", make_rnn},
      {"gru", make_rnn},
  };
  return list;
}

}  // namespace tidemark
