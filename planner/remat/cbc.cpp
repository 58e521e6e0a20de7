#include "planner/remat/cbc.h"

#include <coin/CbcEventHandler.hpp>
#include <coin/CbcHeuristicDiveCoefficient.hpp>
#include <coin/CbcModel.hpp>
#include <coin/CglClique.hpp>
#include <coin/CglKnapsackCover.hpp>
#include <coin/CglMixedIntegerRounding2.hpp>
#include <coin/CglProbing.hpp>
#include <coin/ClpEventHandler.hpp>
#include <coin/ClpSimplex.hpp>
#include <coin/ClpSolve.hpp>
#include <coin/OsiClpSolverInterface.hpp>

#include <algorithm>
#include <cmath>

namespace tidemark {
namespace {

constexpr int kRootCutPasses = 5;  // more cost time and close no gap

class Stopper final : public CbcEventHandler {
 public:
  Stopper(const SearchControl& control, int most_iterations)
      : control_(&control), most_iterations_(most_iterations) {}
  CbcAction event(CbcEvent) override {
    const bool enough = model_->getIterationCount() >= most_iterations_;
    return enough || control_->stopped() ? stop : noAction;
  }
  CbcEventHandler* clone() const override { return new Stopper(*this); }

 private:
  const SearchControl* control_;
  int most_iterations_;
};

class RelaxationStopper final : public ClpEventHandler {
 public:
  explicit RelaxationStopper(const SearchControl& control) : control_(&control) {}
  int event(Event) override { return control_->stopped() ? kStop : -1; }
  ClpEventHandler* clone() const override { return new RelaxationStopper(*this); }

 private:
  static constexpr int kStop = 5;
  const SearchControl* control_;
};

/// The largest cost, in which the solver counts: its tolerances are absolute.
double unit_of(const IntegerProgram& program) {
  double unit = 0;
  for (const IntegerProgram::Column& c : program.columns) unit = std::max(unit, c.cost);
  return unit > 0 ? unit : 1;
}

void load(const IntegerProgram& program, double unit, OsiClpSolverInterface& solver) {
  std::vector<int> rows, columns;
  std::vector<double> factors, lower, upper, cost, row_lower, row_upper;
  for (const IntegerProgram::Row& row : program.rows) {
    for (const IntegerProgram::Entry& e : row.entries) {
      rows.push_back(static_cast<int>(row_lower.size()));
      columns.push_back(e.column);
      factors.push_back(e.factor);
    }
    row_lower.push_back(row.lower);
    row_upper.push_back(row.upper);
  }
  CoinPackedMatrix matrix(false, rows.data(), columns.data(), factors.data(),
                          static_cast<CoinBigIndex>(rows.size()));
  matrix.setDimensions(static_cast<int>(program.rows.size()), static_cast<int>(program.columns.size()));
  for (const IntegerProgram::Column& c : program.columns) {
    lower.push_back(c.lower);
    upper.push_back(c.upper);
    cost.push_back(c.cost / unit);
  }
  solver.loadProblem(matrix, lower.data(), upper.data(), cost.data(), row_lower.data(), row_upper.data());
  for (int c = 0; c < static_cast<int>(program.columns.size()); ++c) solver.setInteger(c);
}

/// Least cost of the program with its rows in the cost, at these prices.
double lagrangian(const IntegerProgram& program, std::vector<double> prices) {
  double bound = 0;
  std::vector<double> costs;
  for (const IntegerProgram::Column& c : program.columns) costs.push_back(c.cost);
  for (size_t r = 0; r < program.rows.size(); ++r) {
    const IntegerProgram::Row& row = program.rows[r];
    const double side = prices[r] > 0 ? row.lower : row.upper;
    if (prices[r] == 0 || std::isinf(side)) continue;
    bound += prices[r] * side;
    for (const IntegerProgram::Entry& e : row.entries)
      costs[static_cast<size_t>(e.column)] -= prices[r] * e.factor;
  }
  for (size_t c = 0; c < costs.size(); ++c)
    bound += costs[c] * (costs[c] > 0 ? program.columns[c].lower : program.columns[c].upper);
  return bound;
}

template <typename Generator>
void add_cuts(CbcModel& model, Generator generator, const char* name) {
  model.addCutGenerator(&generator, -1, name);
}

}  // namespace

CbcAnswer solve_with_cbc(const IntegerProgram& program, double cutoff, int most_iterations,
                         const SearchControl& control) {
  const double unit = unit_of(program);
  OsiClpSolverInterface solver;
  solver.messageHandler()->setLogLevel(0);
  load(program, unit, solver);
  CbcModel model(solver);
  model.setLogLevel(0);
  model.solver()->messageHandler()->setLogLevel(0);
  add_cuts(model, CglProbing(), "probing");
  add_cuts(model, CglKnapsackCover(), "cover");
  CglClique cliques;
  cliques.setStarCliqueReport(false);
  cliques.setRowCliqueReport(false);
  add_cuts(model, cliques, "clique");
  add_cuts(model, CglMixedIntegerRounding2(), "rounding");
  model.setMaximumCutPassesAtRoot(kRootCutPasses);
  model.setMaximumCutPasses(1);
  CbcHeuristicDiveCoefficient dive(model);
  model.addHeuristic(&dive);
  Stopper stopper(control, most_iterations);
  model.passInEventHandler(&stopper);
  model.setUseElapsedTime(true);
  if (control.deadline)
    model.setMaximumSeconds(std::max(
        0.01, std::chrono::duration<double>(*control.deadline - SearchControl::Clock::now()).count()));
  const bool bounded = std::isfinite(cutoff);
  if (bounded) model.setCutoff(cutoff / unit);
  model.initialSolve();

  CbcAnswer answer;
  if (model.solver()->isProvenPrimalInfeasible()) {
    answer.bound = cutoff;
    return answer;
  }
  model.branchAndBound();
  answer.iterations = model.getIterationCount();
  if (const double* best = model.bestSolution())
    answer.columns = std::vector<double>(best, best + program.columns.size());
  const bool done = model.isProvenOptimal() || model.isProvenInfeasible();
  answer.bound = done ? (answer.columns ? model.getObjValue() * unit : cutoff)
                      : std::min(cutoff, model.getBestPossibleObjValue() * unit);
  return answer;
}

double relaxed_bound_with_cbc(const IntegerProgram& program, int most_iterations,
                              const SearchControl& control) {
  const double unit = unit_of(program);
  OsiClpSolverInterface solver;
  solver.messageHandler()->setLogLevel(0);
  load(program, unit, solver);
  ClpSimplex& model = *solver.getModelPtr();
  model.setLogLevel(0);
  model.setMaximumIterations(most_iterations);
  RelaxationStopper stopper(control);
  model.passInEventHandler(&stopper);
  ClpSolve dual;
  dual.setSolveType(ClpSolve::useDual);  // it asks the stopper, as what Clp may choose to begin with does not
  dual.setPresolveType(ClpSolve::presolveOff);
  model.initialSolve(dual);
  std::vector<double> prices(model.dualRowSolution(), model.dualRowSolution() + program.rows.size());
  for (double& price : prices) price *= unit;
  return lagrangian(program, std::move(prices));
}

}  // namespace tidemark
