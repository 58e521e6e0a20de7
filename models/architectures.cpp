#include "models/architectures.h"

namespace tidemark {

const std::vector<Architecture>& architectures() {
  // One a line:
  // clang-format off
  static const std::vector<Architecture> list = {
      {"llama", make_llama},
      {"qwen2", make_llama},
      {"rnn", make_rnn},
      {"lstm", make_rnn},
      {"gru", make_rnn},
      {"mamba", make_mamba},
      {"mamba2", make_mamba2},
      {"fvsbn", make_fvsbn},
      {"nade", make_nade},
      {"made", make_made},
      {"lru", make_lru},
      {"s4", make_s4},
      {"s4d", make_s4},
      {"retnet", make_retnet},
      {"rwkv", make_rwkv},
      {"transformer", make_transformer},
      {"rwkv7", make_rwkv7},
      {"deepseek_v3", make_deepseek_v3},
  };
  // clang-format on
  return list;
}

}  // namespace tidemark
