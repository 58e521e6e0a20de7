// The random numbers of NumPy's legacy generator, which published code draws orders and masks from: a model
// trained elsewhere has the masks it had there.
#pragma once

#include <cstdint>
#include <random>
#include <span>

namespace tidemark {

/// numpy.random.RandomState(seed): MT19937 (Matsumoto & Nishimura 1998), integers by rejection under the
/// smallest mask of ones.
class RandomState {
 public:
  explicit RandomState(uint32_t seed) : engine_(seed) {}

  /// permutation(n): `out` is all of 0..n-1.
  void permutation(std::span<int32_t> out);
  /// randint(low, high, n): each in [low, high).
  void integers(int32_t low, int32_t high, std::span<int32_t> out);

 private:
  uint32_t at_most(uint32_t most);

  std::mt19937 engine_;
};

}  // namespace tidemark
