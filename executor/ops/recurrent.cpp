#include "executor/ops/recurrent.h"

#include <algorithm>

#include "executor/cpu/thread_pool.h"
#include "executor/ops/all.h"
#include "graph/cpu_workspace.h"

namespace tidemark::ops {
namespace {

/// The times of a pack in the order a kernel runs them.
class TimeSteps {
 public:
  /// `sources_run`: the time that a step reads h of is the one run before it (going forward), else the one
  /// run after it (going back).
  TimeSteps(const int32_t* sizes, int64_t capacity, bool ascending, bool sources_run)
      : sizes_(sizes), direction_(ascending ? 1 : -1), sources_run_(sources_run) {
    while (times_ < capacity && sizes[times_] > 0) tokens_ += sizes[times_++];
    time_ = ascending ? 0 : times_ - 1;
    row_ = ascending || times_ == 0 ? 0 : tokens_ - sizes[time_];
  }

  bool next(TimeStep& step) {
    if (time_ < 0 || time_ >= times_) return false;
    const TimeStep before = step;
    step = {index_, row_, sizes_[time_], 0, 0, 0};
    if (index_ > 0) step.linked = std::min(before.rows, step.rows);
    const bool first = index_++ == 0;
    const int64_t after = time_ + direction_;
    const bool last = after < 0 || after >= times_;
    const int64_t after_row = last ? 0 : direction_ > 0 ? row_ + step.rows : row_ - sizes_[after];
    if (sources_run_ && !first) {
      step.source_row = before.row;
      step.source_rows = step.linked;
    } else if (!sources_run_ && !last) {
      step.source_row = after_row;
      step.source_rows = std::min<int64_t>(step.rows, sizes_[after]);
    }
    time_ = after;
    row_ = after_row;
    return true;
  }

 private:
  const int32_t* sizes_;
  int64_t direction_;
  bool sources_run_;
  int64_t times_ = 0, tokens_ = 0;
  int64_t time_ = 0, row_ = 0, index_ = 0;
};

using Pack = void (*)(const RecurrentLayer&, int64_t, int64_t);
using Run = void (*)(const RecurrentLayer&, const TimeStep&, int64_t, int64_t);

/// Every thread its columns; they meet once per time.
void run_layer(const RecurrentLayer& layer, const TimeSteps& times, ThreadPool* pool, Pack pack, Run run) {
  const int64_t panels = (layer.hidden + cpu::kPanelColumns - 1) / cpu::kPanelColumns;
  pool->run([&](int thread, int threads) {
    const int64_t begin = panels * thread / threads * cpu::kPanelColumns;
    const int64_t end = std::min(layer.hidden, panels * (thread + 1) / threads * cpu::kPanelColumns);
    pack(layer, begin, end);
    TimeSteps steps = times;
    for (TimeStep step; steps.next(step); pool->barrier()) run(layer, step, begin, end);
  });
}

Cell rnn_cell(const KernelArgs& args) {
  return args.op.attributes().text("nonlinearity") == "relu" ? Cell::rnn_relu : Cell::rnn_tanh;
}

RecurrentLayer make_layer(const KernelArgs& args, Cell cell, int weight) {
  RecurrentLayer layer;
  layer.cell = cell;
  layer.hidden = args.op.in(weight).shape[1];
  layer.bf16 = args.op.in(weight).dtype == DType::bf16;
  layer.weight = args.inputs[static_cast<size_t>(weight)];
  return layer;
}

/// Lays the workspace out and returns the times; `sizes` is the index of batch_sizes.
TimeSteps prepare(const KernelArgs& args, RecurrentLayer& layer, int sizes, bool backward) {
  const int64_t max_batch = args.op.attributes().integer("max_batch");
  const cpu::RecurrentSpace space =
      cpu::recurrent_space(layer.hidden, gates_of(layer.cell), max_batch, backward);
  layer.packed = static_cast<float*>(args.workspace);
  layer.state[0] = layer.packed + space.packed;
  layer.state[1] = layer.state[0] + space.state;
  layer.carry = layer.state[1] + space.state;
  layer.state_ld = space.state_ld;
  const bool ascending = args.op.attributes().flag("reverse") == backward;
  return TimeSteps(args.in<int32_t>(sizes), args.op.in(sizes).shape[0], ascending, !backward);
}

void run_forward(const KernelArgs& args, RecurrentLayer& layer) {
  layer.xg = args.inputs[0];
  layer.bias = args.inputs[2];
  layer.h = args.outputs[0];
  const TimeSteps times = prepare(args, layer, 3, false);
  run_layer(layer, times, args.pool, TIDEMARK_SIMD(recurrent_pack), TIDEMARK_SIMD(recurrent_forward));
}

void run_backward(const KernelArgs& args, RecurrentLayer& layer, int sizes) {
  layer.dh = args.inputs[0];
  layer.dxg = args.outputs[0];
  const TimeSteps times = prepare(args, layer, sizes, true);
  run_layer(layer, times, args.pool, TIDEMARK_SIMD(recurrent_pack_grad), TIDEMARK_SIMD(recurrent_backward));
}

}  // namespace

void rnn_layer_cpu(const KernelArgs& args) {
  RecurrentLayer layer = make_layer(args, rnn_cell(args), 1);
  run_forward(args, layer);
}

void lstm_layer_cpu(const KernelArgs& args) {
  RecurrentLayer layer = make_layer(args, Cell::lstm, 1);
  layer.c = args.out<float>(1);
  layer.gates = args.outputs[2];
  run_forward(args, layer);
}

void gru_layer_cpu(const KernelArgs& args) {
  RecurrentLayer layer = make_layer(args, Cell::gru, 1);
  layer.gates = args.outputs[1];
  layer.hn = args.outputs[2];
  run_forward(args, layer);
}

void rnn_layer_grad_cpu(const KernelArgs& args) {
  RecurrentLayer layer = make_layer(args, rnn_cell(args), 2);
  layer.h = args.inputs[1];
  run_backward(args, layer, 3);
}

void lstm_layer_grad_cpu(const KernelArgs& args) {
  RecurrentLayer layer = make_layer(args, Cell::lstm, 3);
  layer.gates = args.inputs[1];
  layer.c = static_cast<float*>(args.inputs[2]);
  run_backward(args, layer, 4);
}

void gru_layer_grad_cpu(const KernelArgs& args) {
  RecurrentLayer layer = make_layer(args, Cell::gru, 4);
  layer.gates = args.inputs[1];
  layer.hn = args.inputs[2];
  layer.h = args.inputs[3];
  layer.dhn = args.outputs[1];
  run_backward(args, layer, 5);
}

}  // namespace tidemark::ops
