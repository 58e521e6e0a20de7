#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "models/model.h"
#include "tests/scratch.h"

namespace tidemark {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

/// The error for a preset's config with `changes` merged in (null removes a field).
std::string refusal(const std::string& preset, const char* changes) {
  json config = model_from_preset(preset)->config();
  config.merge_patch(json::parse(changes));
  return message_of<Error>([&] { load_model(config, "c.json"); });
}

struct Case {
  const char* preset;
  const char* changes;
  const char* field;
  const char* why;
};

const std::vector<Case> kCases = {
    {"llama-tiny", R"({"model_type":null})", "model_type", "missing"},
    {"llama-tiny", R"({"model_type":"llame"})", "model_type", "give one of: llama, qwen2, rnn, lstm, gru"},
    {"llama-tiny", R"({"model_type":7})", "model_type", "7 is not a string"},
    {"llama-tiny", R"({"hidden_size":null})", "hidden_size", "missing"},
    {"llama-tiny", R"({"hidden_size":"64"})", "hidden_size", "not an integer"},
    {"llama-tiny", R"({"hidden_size":64.5})", "hidden_size", "not an integer"},
    {"llama-tiny", R"({"hidden_size":-64})", "hidden_size", "out of range"},
    {"llama-tiny", R"({"hidden_size":0})", "hidden_size", "out of range"},
    {"llama-tiny", R"({"hidden_size":18446744073709551615})", "hidden_size", "out of range"},
    {"llama-tiny", R"({"hidden_size":66})", "hidden_size", "not a multiple of num_attention_heads 4"},
    {"llama-tiny", R"({"hidden_size":60})", "head_dim", "15 is odd"},
    {"llama-tiny", R"({"hidden_size":2048})", "hidden_size", "at most 256"},
    {"llama-tiny", R"({"head_dim":33})", "head_dim", "33 is odd"},
    {"llama-tiny", R"({"num_key_value_heads":3})", "num_key_value_heads", "3 does not divide"},
    {"llama-tiny", R"({"num_hidden_layers":0})", "num_hidden_layers", "out of range"},
    {"llama-tiny", R"({"vocab_size":null})", "vocab_size", "missing"},
    {"llama-tiny", R"({"hidden_act":"gelu"})", "hidden_act", "'gelu' is not supported; give one of: silu"},
    {"llama-tiny", R"({"mlp_bias":1})", "mlp_bias", "not a boolean"},
    {"llama-tiny", R"({"rms_norm_eps":"1e-5"})", "rms_norm_eps", "not a number"},
    {"llama-tiny", R"({"attention_dropout":0.1})", "attention_dropout", "set it to 0"},
    {"qwen2-tiny", R"({"use_sliding_window":true})", "use_sliding_window", "set it to false"},
    {"llama-tiny", R"({"partial_rotary_factor":0.5})", "partial_rotary_factor", "whole heads"},
    {"llama-tiny", R"({"rope_scaling":[]})", "rope_scaling", "not a JSON object but array"},
    {"llama-tiny", R"({"rope_scaling":{"type":"ntk"}})", "rope_scaling.type", "'ntk' is not supported"},
    {"llama-tiny", R"({"rope_scaling":{"rope_type":"linear"}})", "rope_scaling.factor", "missing"},
    {"llama-tiny", R"({"rope_scaling":{"factor":2}})", "rope_scaling.type", "missing"},
    {"llama-tiny", R"({"rope_scaling":{"type":"longrope","short_factor":[1],"long_factor":[1]}})",
     "rope_scaling.short_factor", "it has 1 numbers; give 8 positive numbers"},
    {"llama-tiny", R"({"rope_parameters":{"rope_type":"llama3","factor":8,"low_freq_factor":4,
        "high_freq_factor":1,"original_max_position_embeddings":64}})",
     "rope_parameters.high_freq_factor", "above"},
    {"llama-tiny", R"({"rope_parameters":{"rope_type":"default","rope_theta":-1}})",
     "rope_parameters.rope_theta", "out of range"},
    {"lstm-tiny", R"({"input_size":null})", "input_size", "missing"},
    {"lstm-tiny", R"({"embedding_dim":33})", "input_size", "32 is not embedding_dim 33"},
    {"lstm-tiny", R"({"proj_size":8})", "proj_size", "not supported"},
    {"lstm-tiny", R"({"dropout":1.5})", "dropout", "out of range"},
    {"lstm-tiny", R"({"num_layers":-1})", "num_layers", "out of range"},
    {"lstm-tiny", R"({"tie_word_embeddings":true})", "tie_word_embeddings", "32 columns, the decoder 48"},
    {"lstm-tiny", R"({"task":"classification"})", "task", "give one of: lm"},
    {"rnn-tiny", R"({"nonlinearity":"gelu"})", "nonlinearity", "give one of: tanh, relu"},
    {"rnn-tiny", R"({"recurrent_initializer":"zero"})", "recurrent_initializer",
     "give one of: uniform, identity"},
    {"lru-tiny", R"({"d_hidden":0})", "d_hidden", "out of range"},
    {"lru-tiny", R"({"d_output":null})", "d_output", "missing"},
    {"lru-tiny", R"({"r_min":1.5})", "r_min", "out of range"},
    {"lru-tiny", R"({"r_min":0.9,"r_max":0.9})", "r_min", "the ring has no area"},
    {"lru-tiny", R"({"norm":"group"})", "norm", "give one of: layer, batch"},
    {"lru-tiny", R"({"pooling":"max"})", "pooling", "give one of: mean, last, none"},
    {"s4d-tiny", R"({"d_state":7})", "d_state", "7 is odd"},
    {"s4d-tiny", R"({"init":"legs"})", "init", "give one of: s4d-lin, s4d-inv, s4d-legs"},
    {"s4d-tiny", R"({"dt_min":0.2})", "dt_min", "out of range"},
    {"s4-tiny", R"({"discretization":"zoh"})", "discretization", "give one of: bilinear"},
    {"mamba-tiny", R"({"state_size":0})", "state_size", "out of range"},
    {"mamba-tiny", R"({"conv_kernel":64})", "conv_kernel", "give an integer from 1 to 16"},
    {"mamba-tiny", R"({"time_step_rank":"big"})", "time_step_rank", "not an integer"},
    {"mamba-tiny", R"({"intermediate_size":7})", "intermediate_size", "make them agree or leave it out"},
    {"mamba2-tiny", R"({"chunk_size":0})", "chunk_size", "out of range"},
    {"mamba2-tiny", R"({"num_heads":5})", "num_heads", "not expand * hidden_size = 64"},
    {"mamba2-tiny", R"({"n_groups":3})", "n_groups", "3 does not divide num_heads 4"},
    {"mamba2-tiny", R"({"time_step_limit":[1,0]})", "time_step_limit", "give the smaller one first"},
    {"retnet-tiny", R"({"recurrent_chunk_size":0})", "recurrent_chunk_size", "out of range"},
    {"retnet-tiny", R"({"decoder_retention_heads":3})", "decoder_embed_dim", "not a multiple of twice"},
    {"retnet-tiny", R"({"decoder_value_embed_dim":57})", "decoder_value_embed_dim", "not a multiple of"},
    {"retnet-tiny", R"({"activation_fn":"gelu"})", "activation_fn", "give one of: swish"},
    {"retnet-tiny", R"({"deepnorm":true})", "deepnorm", "not supported; set it to false"},
    {"retnet-tiny", R"({"dropout":0.1})", "dropout", "set it to 0"},
    {"retnet-tiny", R"({"vocab_size":null})", "vocab_size", "missing"},
    {"transformer-tiny", R"({"d_model":null})", "d_model", "missing"},
    {"transformer-tiny", R"({"decoder_attention_heads":3})", "decoder_attention_heads",
     "does not divide d_model"},
    {"transformer-tiny", R"({"d_model":1024,"encoder_attention_heads":2})", "encoder_attention_heads",
     "heads of 512 columns"},
    {"transformer-tiny", R"({"activation_function":"gelu"})", "activation_function", "give one of: relu"},
    {"transformer-tiny", R"({"share_all_embeddings":false})", "share_all_embeddings", "not supported"},
    {"transformer-tiny", R"({"attention_dropout":0.1})", "attention_dropout", "not supported"},
    {"transformer-tiny", R"({"decoder_start_token_id":256})", "decoder_start_token_id", "out of range"},
    {"transformer-tiny", R"({"label_smoothing":1})", "label_smoothing", "out of range"},
    {"rwkv-tiny", R"({"hidden_size":null})", "hidden_size", "missing"},
    {"rwkv-tiny", R"({"attention_hidden_size":0})", "attention_hidden_size", "out of range"},
    {"rwkv-tiny", R"({"layer_norm_epsilon":"1e-5"})", "layer_norm_epsilon", "number"},
    {"rwkv7-tiny", R"({"hidden_size":null})", "hidden_size", "missing"},
    {"rwkv7-tiny", R"({"head_dim":5})", "head_dim", "5 does not divide hidden_size 32"},
    {"rwkv7-tiny", R"({"head_dim":null,"num_heads":3})", "num_heads", "3 does not divide hidden_size 32"},
    {"rwkv7-tiny", R"({"num_heads":3})", "num_heads", "is not hidden_size / head_dim = 4"},
    {"rwkv7-tiny", R"({"gate_low_rank_dim":0})", "gate_low_rank_dim", "out of range"},
    {"rwkv7-tiny", R"({"value_dim":[32,64]})", "value_dim", "set it to hidden_size, 32"},
    {"rwkv7-tiny", R"({"hidden_act":"relu"})", "hidden_act", "give one of: sqrelu"},
    {"rwkv7-tiny", R"({"attn":{"layers":[1],"num_heads":4}})", "attn", "not supported; set it to null"},
    {"rwkv7-tiny", R"({"norm_eps":"1e-5"})", "norm_eps", "number"},
    {"moonlight-tiny", R"({"kv_lora_rank":null})", "kv_lora_rank", "missing"},
    {"moonlight-tiny", R"({"n_group":3})", "n_group", "3 does not divide n_routed_experts 8"},
    {"moonlight-tiny", R"({"topk_group":2})", "topk_group", "more than n_group 1"},
    {"moonlight-tiny", R"({"num_experts_per_tok":9})", "num_experts_per_tok", "more than the 8 experts"},
    {"moonlight-tiny", R"({"qk_rope_head_dim":7})", "qk_rope_head_dim", "7 is odd"},
    {"moonlight-tiny", R"({"qk_nope_head_dim":250})", "qk_nope_head_dim", "heads of 258 columns"},
    {"moonlight-tiny", R"({"num_key_value_heads":2})", "num_key_value_heads",
     "set it to num_attention_heads"},
    {"moonlight-tiny", R"({"moe_layer_freq":2})", "moe_layer_freq", "set it to 1"},
    {"moonlight-tiny", R"({"topk_method":"greedy"})", "topk_method", "give one of: noaux_tc"},
    {"moonlight-tiny", R"({"scoring_func":"relu"})", "scoring_func", "give one of: sigmoid, softmax"},
};

TEST(ConfigErrors, NameTheFieldAndTheRemedy) {
  for (const Case& c : kCases)
    EXPECT_THAT(refusal(c.preset, c.changes),
                AllOf(HasSubstr("c.json, " + std::string(c.field) + ": "), HasSubstr(c.why)))
        << c.changes;
}

// Whatever a field holds, there is a model or an Error that names a field.
TEST(ConfigErrors, AnythingElseIsAModel) {
  const std::vector<json> values = {nullptr,
                                    true,
                                    -1,
                                    0,
                                    1,
                                    2,
                                    3,
                                    64,
                                    1e300,
                                    -0.5,
                                    "",
                                    "default",
                                    "lstm",
                                    json::array(),
                                    json::array({1, 2}),
                                    json::object(),
                                    uint64_t{1} << 63,
                                    json{{"type", "yarn"}, {"factor", 2}},
                                    json{{"rope_type", "dynamic"}}};
  int models = 0, errors = 0;
  for (const char* preset :
       {"llama-tiny", "lstm-tiny", "rnn-tiny", "lru-tiny", "s4-tiny", "mamba-tiny", "mamba2-tiny",
        "retnet-tiny", "rwkv-tiny", "rwkv7-tiny", "transformer-tiny", "moonlight-tiny"}) {
    const json original = model_from_preset(preset)->config();
    std::vector<std::string> fields = {"head_dim", "rope_scaling", "rope_parameters", "embedding_dim",
                                       "attention_bias"};
    for (const auto& [field, value] : original.items()) fields.push_back(field);
    for (const std::string& field : fields) {
      for (const json& value : values) {
        json config = original;
        config[field] = value;
        try {
          load_model(config, "c.json")->build({.tokens = 3, .sequences = 2, .max_length = 2});
          ++models;
        } catch (const Error& error) {
          EXPECT_THAT(error.what(), HasSubstr("c.json, "));
          ++errors;
        }
      }
    }
  }
  EXPECT_GT(models, 100);
  EXPECT_GT(errors, 100);
}

TEST(ConfigErrors, OfFilesAndPresets) {
  EXPECT_THAT(message_of<Error>([] { load_model(json::array(), "c.json"); }), HasSubstr("not a JSON object"));
  EXPECT_THAT(message_of<Error>([] { model_from_preset("llama3-8m"); }), HasSubstr("llama2-7b"));
  EXPECT_THAT(message_of<Error>([] { model_from_file("/no/such.json"); }), HasSubstr("/no/such.json"));
}

TEST(ConfigErrors, BatchesThatCannotBe) {
  const auto model = model_from_preset("llama-tiny");
  const auto refused = [&](const BatchSpec& batch) {
    return message_of<Error>([&] { model->build(batch); });
  };
  EXPECT_THAT(refused({.tokens = 0, .sequences = 1, .max_length = 1}), HasSubstr("tokens"));
  EXPECT_THAT(refused({.tokens = 8, .sequences = 9, .max_length = 1}), HasSubstr("sequences"));
  EXPECT_THAT(refused({.tokens = 8, .sequences = 1, .max_length = 9}), HasSubstr("length"));
  EXPECT_THAT(refused({.tokens = 8, .sequences = 2, .max_length = 3}), HasSubstr("do not fill 8"));
  EXPECT_THAT(refused({.tokens = 8, .sequences = 1, .max_length = 8, .dtype = DType::i32}), HasSubstr("i32"));

  const int64_t too_long = (int64_t{1} << 22) + 1;
  EXPECT_THAT(
      message_of<Error>([&] {
        model_from_preset("s4-tiny")->build({.tokens = too_long, .sequences = 1, .max_length = too_long});
      }),
      HasSubstr("use a smaller --length"));

  const auto pairs = model_from_preset("transformer-tiny");
  const BatchSpec longer_target{.tokens = 2, .sequences = 1, .max_length = 9, .target_tokens = 9};
  EXPECT_NO_THROW(pairs->build(longer_target));
  EXPECT_THAT(message_of<Error>(
                  [&] { pairs->build({.tokens = 2, .sequences = 1, .max_length = 10, .target_tokens = 9}); }),
              HasSubstr("length"));
  EXPECT_THAT(message_of<Error>(
                  [&] { pairs->build({.tokens = 8, .sequences = 1, .max_length = 8, .target_tokens = 9}); }),
              HasSubstr("target tokens"));
}

}  // namespace
}  // namespace tidemark
