#include "executor/runtime/runtime.h"

#include "base/error.h"
#include "executor/cpu/thread_pool.h"
#include "graph/serialize.h"

namespace tidemark {
namespace {

constexpr int64_t kPageBytes = 4096;  // the smallest there is

int checked_threads(const Plan& plan, const RuntimeOptions& options) {
  const int threads = options.threads > 0 ? options.threads : plan.device.threads;
  if (threads > plan.device.threads)
    throw Error("cannot run the plan", "threads",
                "it was made for " + std::to_string(plan.device.threads) + ", not " + std::to_string(threads),
                "plan again with --threads " + std::to_string(threads));
  return threads;
}

const Plan& checked_plan(const Graph& graph, const Plan& plan) {
  if (plan.graph_fingerprint != fingerprint(graph))
    throw Error("cannot run the plan", "graph_fingerprint",
                "it was made for another graph ('" + plan.graph_name + "')",
                "plan again for this model, batch, length and dtype");
  return plan;
}

}  // namespace

Runtime::Runtime(const Graph& graph, const Plan& plan, const RuntimeOptions& options)
    : graph_(graph),
      plan_(checked_plan(graph, plan)),
      arena_(plan.arena_bytes),
      guard_(options.guard, plan, arena_),
      pool_(std::make_unique<ThreadPool>(checked_threads(plan, options))) {
  bind();
}

Runtime::~Runtime() = default;

int Runtime::threads() const {
  return pool_->threads();
}

void Runtime::bind() {
  const Schedule& schedule = plan_.schedule;
  const auto address = [&](int32_t buffer) -> void* {
    return buffer == kNone ? nullptr : arena_.data() + plan_.offsets[static_cast<size_t>(buffer)];
  };
  final_buffer_.assign(graph_.values().size(), kNone);
  const auto last = static_cast<int32_t>(schedule.steps.size()) - 1;
  for (size_t i = 0; i < schedule.buffers.size(); ++i)
    if (schedule.buffers[i].last_step == last && !schedule.buffers[i].values.empty()) {
      if (schedule.buffers[i].persistent)
        for (ValueId v : schedule.buffers[i].values)
          final_buffer_[static_cast<size_t>(v)] = static_cast<int32_t>(i);
      else
        final_buffer_[static_cast<size_t>(schedule.buffers[i].values.back())] = static_cast<int32_t>(i);
    }

  const std::array<int32_t, kPhaseCount> starts = phase_starts(graph_, schedule);
  const auto start_of = [&](Phase phase) { return starts[static_cast<size_t>(phase)]; };
  prepare_ = {0, start_of(Phase::forward)};
  body_ = {start_of(Phase::forward), start_of(Phase::optimizer)};
  optimize_ = {start_of(Phase::optimizer), last + 1};
  for (size_t s = 0; s < schedule.steps.size(); ++s) {
    const Step& step = schedule.steps[s];
    const Op& op = graph_.op(step.op);
    KernelArgs args{OpView(graph_, op), {}, {}, nullptr, 0, pool_.get()};
    for (int32_t b : step.inputs) args.inputs.push_back(address(b));
    for (int32_t b : step.outputs) args.outputs.push_back(address(b));
    args.workspace = address(step.workspace);
    if (step.workspace != kNone)
      args.workspace_bytes = schedule.buffers[static_cast<size_t>(step.workspace)].bytes;
    args_.push_back(std::move(args));
    kernels_.push_back(find_cpu_kernel(op.def->name));
  }
  times_.resize(schedule.steps.size());
}

void* Runtime::data(ValueId value) const {
  const int32_t buffer = final_buffer_.at(static_cast<size_t>(value));
  if (buffer == kNone)
    throw InternalError("the value '" + graph_.value(value).name + "' does not outlive the step");
  return arena_.data() + plan_.offsets[static_cast<size_t>(buffer)];
}

void Runtime::run(Range& steps) {
  for (int32_t s = steps.begin; s < steps.end; ++s) {
    const auto i = static_cast<size_t>(s);
    guard_.before(s);
    if (!steps.ran) touch_workspace(args_[i]);
    times_[i].start_ns = now_ns();
    kernels_[i](args_[i]);
    times_[i].end_ns = now_ns();
    guard_.after(s);
  }
  steps.ran = true;
  guard_.open();
}

/// What an op was given counts as used. Which thread picks which task, and so how much of the scratch is
/// written, is chance.
void Runtime::touch_workspace(const KernelArgs& args) const {
  auto* const bytes = static_cast<volatile char*>(args.workspace);
  for (int64_t i = 0; i < args.workspace_bytes; i += kPageBytes) bytes[i] = 0;
  if (args.workspace_bytes > 0) bytes[args.workspace_bytes - 1] = 0;
}

void Runtime::prepare() {
  run(prepare_);
}
void Runtime::run_micro_batch() {
  run(body_);
}
void Runtime::run_forward(ValueId output) {
  for (int32_t s = body_.begin; s < body_.end; ++s) {
    const Op& op = graph_.op(plan_.schedule.steps[static_cast<size_t>(s)].op);
    if (std::find(op.outputs.begin(), op.outputs.end(), output) == op.outputs.end()) continue;
    Range forward{body_.begin, s + 1, body_.ran};
    return run(forward);
  }
  throw InternalError("no op of a micro-batch makes the value '" + graph_.value(output).name + "'");
}
void Runtime::optimize() {
  run(optimize_);
}

}  // namespace tidemark
