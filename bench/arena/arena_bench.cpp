// Seconds to fit each problem into a capacity, with all techniques and without each in turn:
//   arena_bench CAPACITY SECONDS PROBLEM.csv...
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "base/error.h"
#include "base/file.h"
#include "planner/arena/csv.h"
#include "planner/arena/solver.h"

namespace {

using namespace tidemark::arena;

struct Switch {
  const char* name;
  bool Techniques::*off;
};
constexpr Switch kSwitches[] = {{"all", nullptr},
                                {"no lists", &Techniques::lists},
                                {"no inference", &Techniques::inference},
                                {"no canonical", &Techniques::canonical},
                                {"no decomposition", &Techniques::decomposition},
                                {"no nogoods", &Techniques::nogoods},
                                {"no symmetry", &Techniques::symmetry},
                                {"no learning", &Techniques::learning},
                                {"no restarts", &Techniques::restarts}};

double seconds_to_fit(const std::vector<Buffer>& buffers, int64_t capacity, const SolverOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  const bool solved = fit(buffers, capacity, options).status == Status::solved;
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return solved ? seconds : -1;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 4) {
    std::fprintf(stderr, "usage: arena_bench CAPACITY SECONDS PROBLEM.csv...\n");
    return 2;
  }
  for (const Switch& s : kSwitches) {
    SolverOptions options;
    options.seconds = std::atof(argv[2]);
    if (s.off) options.techniques.*s.off = false;
    std::printf("%-18s", s.name);
    for (int i = 3; i < argc; ++i) {
      const auto buffers = parse_csv(tidemark::read_text_file(argv[i], "cannot read the problem"), argv[i]);
      const double seconds = seconds_to_fit(buffers, std::atoll(argv[1]), options);
      if (seconds < 0)
        std::printf("        -");
      else
        std::printf(" %8.3f", seconds);
      std::fflush(stdout);
    }
    std::printf("\n");
  }
} catch (const tidemark::Error& e) {
  std::fprintf(stderr, "arena_bench: %s\n", e.what());
  return 2;
}
