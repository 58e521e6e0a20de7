// Recurrent layers over 32 packed sequences of 16 to 64 steps.
#include <algorithm>

#include "bench/kernels/run_op.h"

namespace tidemark::bench {
namespace {

constexpr int64_t kSequences = 32, kShortest = 16, kLongest = 64;

std::vector<int32_t> batch_sizes() {
  std::vector<int32_t> sizes(kLongest);
  for (int64_t s = 0; s < kSequences; ++s)
    for (int64_t t = 0; t < kShortest + (kLongest - kShortest) * s / (kSequences - 1); ++t)
      ++sizes[static_cast<size_t>(t)];
  return sizes;
}

enum class Pass { forward, gradient, weight_gradient };

void recurrent(benchmark::State& state, const std::string& kind, int64_t gates, Pass pass) {
  const int64_t hidden = state.range(0);
  const int threads = static_cast<int>(state.range(1));
  const std::vector<int32_t> sizes = batch_sizes();
  int64_t tokens = 0;
  for (int32_t n : sizes) tokens += n;
  const Input wide = f32({tokens, gates * hidden}), narrow = f32({tokens, hidden}),
              weight = f32({gates * hidden, hidden}), bias = f32({gates * hidden}), times = integers(sizes);
  Attributes attributes{{"reverse", false}};
  if (pass == Pass::weight_gradient)
    return run_op(state, "recurrent_weight_grad", {wide, narrow, times, gates == 3 ? narrow : Input{}, {}},
                  attributes, threads);
  attributes.set("max_batch", kSequences);
  if (gates == 1) attributes.set("nonlinearity", std::string("tanh"));
  if (pass == Pass::forward) return run_op(state, kind, {wide, weight, bias, times}, attributes, threads);
  std::vector<Input> inputs = {narrow};
  if (gates == 4) inputs.insert(inputs.end(), {wide, narrow});
  if (gates == 3) inputs.insert(inputs.end(), {wide, narrow, narrow});
  if (gates == 1) inputs.push_back(narrow);
  inputs.insert(inputs.end(), {weight, times});
  run_op(state, kind + "_grad", inputs, attributes, threads);
}

void shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"hidden", "threads"})->ArgsProduct({{256, 512}, {1, 2}});
}
BENCHMARK_CAPTURE(recurrent, lstm, "lstm_layer", 4, Pass::forward)->Apply(shapes);
BENCHMARK_CAPTURE(recurrent, lstm_grad, "lstm_layer", 4, Pass::gradient)->Apply(shapes);
BENCHMARK_CAPTURE(recurrent, lstm_weight_grad, "lstm_layer", 4, Pass::weight_gradient)->Apply(shapes);
BENCHMARK_CAPTURE(recurrent, gru, "gru_layer", 3, Pass::forward)->Apply(shapes);
BENCHMARK_CAPTURE(recurrent, gru_grad, "gru_layer", 3, Pass::gradient)->Apply(shapes);
BENCHMARK_CAPTURE(recurrent, gru_weight_grad, "gru_layer", 3, Pass::weight_gradient)->Apply(shapes);
BENCHMARK_CAPTURE(recurrent, rnn, "rnn_layer", 1, Pass::forward)->Apply(shapes);
BENCHMARK_CAPTURE(recurrent, rnn_grad, "rnn_layer", 1, Pass::gradient)->Apply(shapes);

}  // namespace
}  // namespace tidemark::bench
