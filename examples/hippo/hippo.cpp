// Follows a signal with HiPPO's linear systems, and reconstructs from their state what they remember of it:
// errors by measure and number of states as a table, the reconstructions from the largest as a picture.
//
//     hippo PICTURE.png STATES...
#include <cmath>
#include <cstdio>
#include <numbers>
#include <string>
#include <vector>

#include "base/error.h"
#include "executor/io/png.h"
#include "models/hippo.h"

namespace tidemark {
namespace {

constexpr int64_t kSteps = 2000,
                  kWindow = 1000;      // of the signal, and of those that measures with a window see
constexpr double kLaguerreUnit = 100;  // steps in which LagT forgets by e

const char* const kMeasures[] = {"legs", "legt", "fout", "lagt"};

/// Waves of up to six periods a window, of random phases and falling size.
std::vector<double> make_signal() {
  std::vector<double> u;
  for (int64_t k = 0; k < kSteps; ++k) {
    double sum = 0;
    for (int wave = 1; wave <= 6; ++wave) {
      const double phase = 2.4 * wave * wave, turns = 1.02 * wave * static_cast<double>(k) / kWindow;
      sum += std::sin(2 * std::numbers::pi * turns + phase) / std::sqrt(wave);
    }
    u.push_back(sum);
  }
  return u;
}

/// Solves (1 - step A) x = y by elimination with pivots, in place of y.
void solve(const LinearSystem& s, double step, std::vector<double>& y) {
  const auto n = static_cast<size_t>(s.states);
  std::vector<double> m(n * n);
  for (size_t i = 0; i < n; ++i)
    for (size_t j = 0; j < n; ++j) m[i * n + j] = (i == j ? 1 : 0) - step * s.a[i * n + j];
  for (size_t k = 0; k < n; ++k) {
    size_t pivot = k;
    for (size_t i = k + 1; i < n; ++i)
      if (std::abs(m[i * n + k]) > std::abs(m[pivot * n + k])) pivot = i;
    for (size_t j = k; j < n; ++j) std::swap(m[k * n + j], m[pivot * n + j]);
    std::swap(y[k], y[pivot]);
    for (size_t i = k + 1; i < n; ++i) {
      const double factor = m[i * n + k] / m[k * n + k];
      for (size_t j = k; j < n; ++j) m[i * n + j] -= factor * m[k * n + j];
      y[i] -= factor * y[k];
    }
  }
  for (size_t k = n; k-- > 0;) {
    for (size_t j = k + 1; j < n; ++j) y[k] -= m[k * n + j] * y[j];
    y[k] /= m[k * n + k];
  }
}

/// The state after the signal, by the bilinear rule. Scaled Legendre looks back over all steps k + 1 so far,
/// so its time runs ever slower (Gu et al. 2020, section 3); the others' is constant.
std::vector<double> follow(const LinearSystem& s, HippoMeasure measure, const std::vector<double>& u) {
  const auto n = static_cast<size_t>(s.states);
  std::vector<double> x(n), y(n);
  for (size_t k = 0; k < u.size(); ++k) {
    const double step = measure == HippoMeasure::legs   ? 1 / static_cast<double>(k + 1)
                        : measure == HippoMeasure::lagt ? 1 / kLaguerreUnit
                                                        : 1.0 / kWindow;
    for (size_t i = 0; i < n; ++i) {
      double ax = 0;
      for (size_t j = 0; j < n; ++j) ax += s.a[i * n + j] * x[j];
      y[i] = x[i] + step / 2 * ax + step * s.b[i] * u[k];
    }
    solve(s, step / 2, y);
    x = y;
  }
  return x;
}

/// The signal so many steps ago, from the coefficients x.
double remembered(HippoMeasure measure, const std::vector<double>& x, double ago) {
  double value = 0, before = 0, now = 1;
  switch (measure) {
    case HippoMeasure::legs:
    case HippoMeasure::legt: {  // Legendre's polynomials
      const double at = 1 - 2 * ago / static_cast<double>(measure == HippoMeasure::legs ? kSteps : kWindow);
      for (size_t n = 0; n < x.size(); ++n) {
        const auto k = static_cast<double>(n);
        value += std::sqrt(2 * k + 1) * x[n] * now;
        const double next = ((2 * k + 1) * at * now - k * before) / (k + 1);
        before = now;
        now = next;
      }
      return value;
    }
    case HippoMeasure::lagt: {  // Laguerre's
      const double at = ago / kLaguerreUnit;
      for (size_t n = 0; n < x.size(); ++n) {
        const auto k = static_cast<double>(n);
        value += std::exp(-at / 2) * x[n] * now;
        const double next = ((2 * k + 1 - at) * now - k * before) / (k + 1);
        before = now;
        now = next;
      }
      return value;
    }
    case HippoMeasure::fout:
      for (size_t n = 0; n < x.size(); ++n) {
        const double angle = 2 * std::numbers::pi * static_cast<double>(n / 2) * ago / kWindow;
        value += (n == 0 ? 1 : std::numbers::sqrt2) * x[n] * (n % 2 == 0 ? std::cos(angle) : std::sin(angle));
      }
      return value;
  }
  return value;
}

/// What a measure with so many states remembers of the last kWindow steps, and how far it is off.
struct Memory {
  std::vector<double> signal;
  double error = 0;  ///< root mean square, over that of the signal

  Memory(const std::string& name, int64_t states, const std::vector<double>& u) {
    const HippoMeasure measure = hippo_measure(name, "the example");
    const std::vector<double> x = follow(hippo(measure, states), measure, u);
    double off = 0, size = 0;
    for (int64_t k = kSteps - kWindow; k < kSteps; ++k) {
      const double truth = u[static_cast<size_t>(k)];
      signal.push_back(remembered(measure, x, static_cast<double>(kSteps - 1 - k) + 0.5));
      off += std::pow(signal.back() - truth, 2);
      size += truth * truth;
    }
    error = std::sqrt(off / size);
  }
};

/// Curves of the last kWindow steps as rows of pixels.
class Panel {
 public:
  static constexpr int64_t kHeight = 160;

  void draw(const double* y, float shade) {
    int64_t last = -1;
    for (int64_t i = 0; i < kWindow; ++i) {
      const auto middle = static_cast<double>(kHeight) / 2;
      const auto row = static_cast<int64_t>(std::lround(middle - y[i] * middle / 4));
      const int64_t at = std::min(std::max<int64_t>(row, 1), kHeight - 2);
      if (last < 0) last = at;
      for (int64_t k = std::min(last, at); k <= std::max(last, at); ++k)
        pixels[static_cast<size_t>(k * kWindow + i)] = shade;
      last = at;
    }
  }
  std::vector<float> pixels = std::vector<float>(kHeight * kWindow, 1.0f);
};

void run(const std::string& picture, const std::vector<int64_t>& sizes) {
  const std::vector<double> u = make_signal();
  std::printf("%-8s", "states");
  for (const char* measure : kMeasures) std::printf(" %10s", measure);
  std::printf("\n");
  std::vector<float> panels;
  for (const int64_t states : sizes) {
    std::printf("%-8lld", static_cast<long long>(states));
    panels.clear();
    for (const char* measure : kMeasures) {
      const Memory memory(measure, states, u);
      std::printf(" %9.2f%%", 100 * memory.error);
      Panel panel;
      panel.draw(u.data() + kSteps - kWindow, 0.7f);
      panel.draw(memory.signal.data(), 0.0f);
      panels.insert(panels.end(), panel.pixels.begin(), panel.pixels.end());
    }
    std::printf("\n");
  }
  write_image_grid(picture, panels, Panel::kHeight, kWindow, 1, 1);
}

}  // namespace
}  // namespace tidemark

int main(int count, char** arguments) {
  try {
    if (count < 3) throw tidemark::Error("bad usage", "hippo", "no states", "give PICTURE.png STATES...");
    std::vector<int64_t> sizes;
    for (int i = 2; i < count; ++i) sizes.push_back(std::atoll(arguments[i]));
    tidemark::run(arguments[1], sizes);
    return 0;
  } catch (const tidemark::Error& error) {
    std::fprintf(stderr, "hippo: %s\n", error.what());
    return 2;
  }
}
