#include "models/rope_scaling.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace tidemark {
namespace {

using nlohmann::json;

struct Case {
  const char* name;
  int64_t head_dim, length;
  const char* config;
  double scale;
  std::vector<double> frequencies;
};

// The values are those that the rope functions of transformers 5.23 give in float64.
const std::vector<Case> kCases = {
    {"default",
     16,
     1,
     "{}",
     1,
     {1, 0.316227766017, 0.1, 0.0316227766017, 0.01, 0.00316227766017, 0.001, 0.000316227766017}},
    {"linear",
     16,
     1,
     R"({"rope_scaling":{"type":"linear","factor":4.0}})",
     1,
     {0.25, 0.0790569415042, 0.025, 0.00790569415042, 0.0025, 0.000790569415042, 0.00025, 7.90569415042e-05}},
    {"dynamic beyond the context",
     16,
     8192,
     R"({"max_position_embeddings":2048,"rope_scaling":{"type":"dynamic","factor":2.0}})",
     1,
     {1, 0.239481356006, 0.0573513198745, 0.0137345718523, 0.00328917389134, 0.000787695823638,
      0.000188638463965, 4.51753951453e-05}},
    {"dynamic within the context",
     16,
     100,
     R"({"max_position_embeddings":2048,"rope_scaling":{"rope_type":"dynamic","factor":2}})",
     1,
     {1, 0.316227766017, 0.1, 0.0316227766017, 0.01, 0.00316227766017, 0.001, 0.000316227766017}},
    {"yarn",
     32,
     1,
     R"({"max_position_embeddings":8192,"rope_parameters":{"rope_type":"yarn","rope_theta":10000.0,"factor":4.0,
         "original_max_position_embeddings":2048}})",
     1.138629436111989,
     {1, 0.56234132519, 0.316227766017, 0.177827941004, 0.1, 0.050209046892, 0.0248464673299, 0.0120668959967,
      0.00571428571429, 0.00261087043838, 0.00112938487863, 0.00044456985251, 0.00025, 0.000140585331298,
      7.90569415042e-05, 4.4456985251e-05}},
    {"yarn with all its keys",
     32,
     1,
     R"({"rope_theta":50000.0,"max_position_embeddings":8192,"rope_scaling":{"type":"yarn","factor":40.0,
         "original_max_position_embeddings":4096,"mscale":1.0,"mscale_all_dim":0.707,"beta_fast":24,
         "beta_slow":2,"truncate":false}})",
     1.0857263992561355,
     {1, 0.508527419424, 0.258600136306, 0.131505259979, 0.0668740304976, 0.0329485403887, 0.0121666471659,
      0.00385365033709, 0.000773077107058, 5.68550939128e-05, 2.89123741886e-05, 1.47027350355e-05,
      7.47674390611e-06, 3.80212928427e-06, 1.93348699325e-06, 9.83231151166e-07}},
    {"llama3",
     32,
     1,
     R"({"rope_theta":500000.0,"rope_scaling":{"rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,
         "high_freq_factor":4.0,"original_max_position_embeddings":8192}})",
     1,
     {1, 0.440366602672, 0.193922744749, 0.0853971002858, 0.0376060309309, 0.016560440081, 0.00729266473722,
      0.00321144599475, 0.000524846160993, 7.78465527393e-05, 3.42810219595e-05, 1.50962171764e-05,
      6.64786987118e-06, 2.92749987018e-06, 1.28917317215e-06, 5.67708810076e-07}},
    {"longrope within the first context",
     8,
     1000,
     R"({"max_position_embeddings":16384,"rope_scaling":{"type":"longrope","factor":4.0,
         "short_factor":[1.0,1.1,1.2,1.3],"long_factor":[1.5,2.5,3.5,4.5],
         "original_max_position_embeddings":4096}})",
     1.0801234497346435,
     {1, 0.0909090909091, 0.00833333333333, 0.000769230769231}},
    {"longrope beyond it",
     8,
     5000,
     R"({"max_position_embeddings":16384,"original_max_position_embeddings":4096,"rope_scaling":
         {"type":"longrope","short_factor":[1.0,1.1,1.2,1.3],"long_factor":[1.5,2.5,3.5,4.5]}})",
     1.0801234497346435,
     {0.666666666667, 0.04, 0.00285714285714, 0.000222222222222}},
};

TEST(RopeScaling, AgreesWithTransformers) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    const json config = json::parse(c.config);
    const RopeFrequencies rope = rope_frequencies(Config(config, "test"), c.head_dim, c.length);
    EXPECT_NEAR(rope.scale, c.scale, 1e-12);
    ASSERT_EQ(rope.frequencies.size(), c.frequencies.size());
    for (size_t i = 0; i < c.frequencies.size(); ++i)
      EXPECT_NEAR(rope.frequencies[i] / c.frequencies[i], 1, 2e-11) << i;
  }
}

}  // namespace
}  // namespace tidemark
