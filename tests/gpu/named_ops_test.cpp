// Whatever the executor starts on the GPU, the library that records it knows for which op.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "tests/executor_training/tiny.h"
#include "tests/gpu/emulated/started.h"

namespace tidemark {
namespace {

using emulated::Started;

/// A plan that recomputes nothing and offloads what it can, so that copies stand beside the steps.
Plan offloading_plan(const Tiny& tiny) {
  PlanRequest r;
  r.strategy = "keep-all";
  r.budget_bytes = 1;
  r.device = plan_device("cuda", 1);
  r.offload = {.activations = true, .states = true};
  r.host_link = {.bytes_per_second = 20e9, .overlaps = true};
  r.micro_batches = tiny.micro_batches;
  r.times = analytic_times(tiny.graph, cpu_speed(1));
  r.budget_bytes = make_plan(tiny.graph, r).smallest_feasible_bytes;
  return make_plan(tiny.graph, r).plan.value();
}

class NamedOps : public ::testing::Test {
 protected:
  ~NamedOps() override {
    emulated::note_starts_in(nullptr);
    ::unsetenv(kInjectedLibrary);
  }

  /// As a driver has loaded the library at `path`; null: none.
  std::vector<Started> started(const char* path, int steps) const {
    if (path) ::setenv(kInjectedLibrary, path, 1);
    TinyRun run(tiny_, plan_);
    Session session(run.runtime, {.peak = 1e-2, .warmup_steps = 2}, 11);
    std::vector<Started> all;
    emulated::note_starts_in(&all);
    for (int i = 0; i < steps; ++i) session.step(run.feed());
    emulated::note_starts_in(nullptr);
    return all;
  }

  Tiny tiny_{{.micro_batches = 2}};
  Plan plan_ = offloading_plan(tiny_);
};

TEST_F(NamedOps, AreToldOfAllThatIsStarted) {
  Dl_info emulated_gpu = {};
  ASSERT_TRUE(::dladdr(::dlsym(RTLD_DEFAULT, kSetCurrentOp), &emulated_gpu));
  std::map<int32_t, int> launched, captured;  // by step
  for (const Started& s : started(emulated_gpu.dli_fname, 3)) {
    ASSERT_NE(s.op, "") << (s.captured ? "captured" : "launched");
    if (s.step < 0) {
      EXPECT_TRUE(s.op == "(upload)" || s.op == "(download)") << s.op;
      EXPECT_FALSE(s.captured);
      continue;
    }
    const Op& op = tiny_.graph.op(plan_.schedule.steps[static_cast<size_t>(s.step)].op);
    EXPECT_EQ(s.op, op.name);
    EXPECT_EQ(s.phase, op.phase);
    ++(s.captured ? captured : launched)[s.step];
  }
  // What is launched once kernel by kernel is then captured once.
  EXPECT_GT(launched.size(), plan_.schedule.steps.size() / 2);
  EXPECT_EQ(captured, launched);
}

TEST_F(NamedOps, AreNotToldOfWhereNobodyListens) {
  const std::vector<Started> without = started(nullptr, 1);
  EXPECT_FALSE(without.empty());
  for (const char* other : {"/nowhere.so", "libc.so.6"}) {
    const std::vector<Started> all = started(other, 1);
    EXPECT_EQ(all.size(), without.size());
    for (const Started& s : all) EXPECT_EQ(s.op, "");
  }
}

}  // namespace
}  // namespace tidemark
