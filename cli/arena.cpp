#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/units.h"
#include "cli/commands.h"
#include "cli/keep_inputs.h"
#include "cli/table.h"
#include "planner/arena/check.h"
#include "planner/arena/csv.h"
#include "planner/arena/solver.h"

namespace tidemark::cli {
namespace {

using arena::Solution;
using arena::Status;

struct Options {
  std::string problem;
  std::string capacity;
  bool minimize = false;
  double time_limit = 60;
  std::string out;
  bool as_json = false;
};

const char* name_of(Status status) {
  switch (status) {
    case Status::solved: return "solved";
    case Status::infeasible: return "infeasible";
    case Status::not_found: break;
  }
  return "not_found";
}

void print_json(const std::vector<arena::Buffer>& buffers, const Options& o, int64_t capacity,
                const Solution& s, double seconds) {
  nlohmann::json j = {
      {"status", name_of(s.status)}, {"buffers", buffers.size()}, {"lower_bound_bytes", s.lower_bound},
      {"optimal", s.optimal()},      {"nodes", s.nodes},          {"solve_seconds", seconds}};
  if (!o.capacity.empty()) j["capacity_bytes"] = capacity;
  if (s.status == Status::solved) {
    j["end_bytes"] = s.end;
    j["method"] = s.method;
    for (size_t i = 0; i < buffers.size(); ++i) j["offsets"][buffers[i].id] = s.offsets[i];
  }
  std::cout << j.dump(2) << "\n";
}

void print_text(const std::vector<arena::Buffer>& buffers, const Options& o, int64_t capacity,
                const Solution& s, double seconds) {
  print_row("buffers", format_count(static_cast<int64_t>(buffers.size())));
  if (!o.capacity.empty()) print_row("capacity", exact_bytes(capacity));
  print_row("lower bound", exact_bytes(s.lower_bound));
  switch (s.status) {
    case Status::solved:
      print_row("end", exact_bytes(s.end));
      print_row("method", s.method);
      print_row("optimality",
                s.optimal() ? "no placement ends lower"
                            : "at most " +
                                  format_percent(
                                      static_cast<double>(s.end) / static_cast<double>(s.lower_bound) - 1) +
                                  " over the lowest end");
      break;
    case Status::infeasible: print_row("result", "infeasible: no placement fits"); break;
    case Status::not_found:
      print_row("result", "not found in " + format_seconds(seconds) + "; it may fit all the same");
  }
  print_row("search", format_count(s.nodes) + " nodes, " + format_seconds(seconds));
}

ExitCode run(const Options& o) {
  if (!(o.time_limit > 0)) throw Error("bad usage", "--time-limit", "is not above 0", "give seconds");
  keep_inputs(o.out, {o.problem});
  const int64_t capacity = o.capacity.empty() ? 0 : parse_bytes(o.capacity, "--capacity");
  const auto buffers = arena::parse_csv(read_text_file(o.problem, "cannot read the problem"), o.problem);
  arena::SolverOptions options;
  options.seconds = o.time_limit;
  const auto start = std::chrono::steady_clock::now();
  const Solution s =
      o.capacity.empty() ? arena::minimize(buffers, options) : arena::fit(buffers, capacity, options);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (s.status == Status::solved) {
    const std::string wrong = arena::check(buffers, s.offsets, o.capacity.empty() ? s.end : capacity);
    if (!wrong.empty()) throw InternalError("arena: " + wrong);
    if (!o.out.empty())
      write_text_file(o.out, arena::to_csv(buffers, s.offsets), "cannot write the solution");
  }
  (o.as_json ? print_json : print_text)(buffers, o, capacity, s, seconds);
  return s.status == Status::solved ? ExitCode::ok : ExitCode::no;
}

}  // namespace

void add_arena(CLI::App& app, ExitCode& status) {
  auto* command = app.add_subcommand("arena", "Place buffers with known lives in one arena");
  auto o = std::make_shared<Options>();
  command->add_option("problem", o->problem, "CSV: id,lower,upper,size[,gaps]")->required();
  auto* capacity = command->add_option("--capacity", o->capacity, "Bytes to fit into");
  command->add_flag("--minimize", o->minimize, "Find the lowest end (without --capacity)")
      ->excludes(capacity);
  command->add_option("--time-limit", o->time_limit, "Seconds to search")->capture_default_str();
  command->add_option("--out", o->out, "Write the problem with its offsets here (CSV)");
  command->add_flag("--json", o->as_json, "Print JSON");
  command->callback([o, &status] { status = run(*o); });
}

}  // namespace tidemark::cli
