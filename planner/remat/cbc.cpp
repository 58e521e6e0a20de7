#include "planner/remat/cbc.h"

#include <coin/CbcEventHandler.hpp>
#include <coin/CbcHeuristicDiveCoefficient.hpp>
#include <coin/CbcModel.hpp>
#include <coin/CglClique.hpp>
#include <coin/CglKnapsackCover.hpp>
#include <coin/CglMixedIntegerRounding2.hpp>
#include <coin/CglProbing.hpp>
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

void load(const IntegerProgram& program, double unit, OsiClpSolverInterface& solver) {
  CoinPackedMatrix matrix(false, 0, 0);
  matrix.setDimensions(0, static_cast<int>(program.columns.size()));
  std::vector<double> lower, upper, cost, row_lower, row_upper;
  for (const IntegerProgram::Row& row : program.rows) {
    CoinPackedVector entries(false);
    for (const IntegerProgram::Entry& e : row.entries) entries.insert(e.column, e.factor);
    matrix.appendRow(entries);
    row_lower.push_back(row.lower);
    row_upper.push_back(row.upper);
  }
  for (const IntegerProgram::Column& c : program.columns) {
    lower.push_back(c.lower);
    upper.push_back(c.upper);
    cost.push_back(c.cost / unit);
  }
  solver.loadProblem(matrix, lower.data(), upper.data(), cost.data(), row_lower.data(), row_upper.data());
  for (int c = 0; c < static_cast<int>(program.columns.size()); ++c) solver.setInteger(c);
}

template <typename Generator>
void add_cuts(CbcModel& model, Generator generator, const char* name) {
  model.addCutGenerator(&generator, -1, name);
}

}  // namespace

CbcAnswer solve_with_cbc(const IntegerProgram& program, double cutoff, int most_iterations,
                         const SearchControl& control) {
  double unit = 0;
  for (const IntegerProgram::Column& c : program.columns) unit = std::max(unit, c.cost);
  if (unit == 0) unit = 1;
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

}  // namespace tidemark
