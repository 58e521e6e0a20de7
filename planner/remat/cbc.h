// Integer programs, solved by COIN-OR's CBC. Compiled only where that is found.
#pragma once

#include <optional>
#include <vector>

#include "planner/remat/integer_program.h"
#include "planner/remat/search_control.h"

namespace tidemark {

struct CbcAnswer {
  std::optional<std::vector<double>> columns;  ///< the best found below the cutoff
  double bound = 0;                            ///< no solution costs less, but for those above the cutoff
  int iterations = 0;                          ///< of the simplex method
};

/// Looks for solutions that cost less than `cutoff`, until the best is proven, the control stops it, or it
/// has taken about `most_iterations`.
CbcAnswer solve_with_cbc(const IntegerProgram& program, double cutoff, int most_iterations,
                         const SearchControl& control);

/// What no solution costs less than, even in fractions. True to rounding wherever the solver stops: it is the
/// sum that the prices of the rows prove, whatever these are.
double relaxed_bound_with_cbc(const IntegerProgram& program, int most_iterations,
                              const SearchControl& control);

}  // namespace tidemark
