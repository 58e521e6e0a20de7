// The one list of architectures. To add one: a file beside this one, and a line in architectures.cpp.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "models/config.h"
#include "models/model.h"

namespace tidemark {

struct Architecture {
  std::string model_type;  ///< of config.json
  std::unique_ptr<Model> (*make)(const Config& config);
};

const std::vector<Architecture>& architectures();

std::unique_ptr<Model> make_llama(const Config& config);
std::unique_ptr<Model> make_rnn(const Config& config);
std::unique_ptr<Model> make_mamba(const Config& config);
std::unique_ptr<Model> make_mamba2(const Config& config);
std::unique_ptr<Model> make_fvsbn(const Config& config);
std::unique_ptr<Model> make_nade(const Config& config);
std::unique_ptr<Model> make_made(const Config& config);
std::unique_ptr<Model> make_lru(const Config& config);
std::unique_ptr<Model> make_s4(const Config& config);
std::unique_ptr<Model> make_retnet(const Config& config);
std::unique_ptr<Model> make_rwkv(const Config& config);
std::unique_ptr<Model> make_transformer(const Config& config);
std::unique_ptr<Model> make_rwkv7(const Config& config);
std::unique_ptr<Model> make_deepseek_v3(const Config& config);

}  // namespace tidemark
