#include "executor/ops/ssd_scan.h"

#include <cstring>
#include <limits>

#include "executor/ops/all.h"
#include "executor/ops/operands.h"
#include "graph/state_space_workspace.h"

namespace tidemark::ops {
namespace {

/// The op, how it is cut, and its scratch memory.
struct Job {
  Ssd ssd;
  cpu::SsdShape shape;
  cpu::SsdSpace space;
  int64_t chunk_rows = 0;
  float *scores = nullptr, *states = nullptr, *score_grads = nullptr, *threads = nullptr;

  SsdPiece piece(int64_t row, int64_t rows, int64_t q) const {
    const int64_t begin = q * ssd.piece_rows;
    return {row + begin, std::min(ssd.piece_rows, rows - begin)};
  }
  int64_t pieces(int64_t rows) const { return (rows + ssd.piece_rows - 1) / ssd.piece_rows; }
  float* scores_of(int64_t group, int64_t q) const {
    return scores + (group * shape.pieces() + q) * space.scores;
  }
  float* scratch(int thread) const { return threads + thread * space.thread; }
};

/// xbc, dt, A_log, D, dt_bias are inputs `first` and the following.
Job job_of(const KernelArgs& args, int first, int cu_seqlens, bool gradient) {
  const Attributes& attributes = args.op.attributes();
  const TensorType& xbc = args.op.in(first);
  Job job;
  Ssd& s = job.ssd;
  s.bf16 = is_bf16(xbc);
  s.rows = rows_of(xbc);
  s.heads = attributes.integer("heads");
  s.groups = attributes.integer("groups");
  s.states = attributes.integer("states");
  s.head_columns = (columns_of(xbc) - 2 * s.groups * s.states) / s.heads;
  s.xbc = args.inputs[static_cast<size_t>(first)];
  s.xbc_stride = columns_of(xbc);
  s.dt = first_column(args, args.inputs[static_cast<size_t>(first + 1)], xbc.dtype);
  s.dt_stride = columns_of(args.op.in(first + 1));
  s.a_log = args.in<float>(first + 2);
  s.d = args.in<float>(first + 3);
  s.dt_bias = args.in<float>(first + 4);
  s.dt_min = static_cast<float>(attributes.number("dt_min"));
  s.dt_max = attributes.has("dt_max") ? static_cast<float>(attributes.number("dt_max"))
                                      : std::numeric_limits<float>::infinity();
  s.sequences = sequences_of(args, cu_seqlens);
  job.chunk_rows = attributes.integer("chunk_rows");
  job.shape = {s.heads, s.head_columns, s.groups, s.states, std::min(s.rows, job.chunk_rows)};
  job.space = cpu::ssd_space(job.shape, gradient);
  s.piece_rows = job.shape.piece_rows();
  s.padded_columns = job.shape.padded_columns();
  job.scores = static_cast<float*>(args.workspace);
  job.states = job.scores + s.groups * job.shape.pieces() * job.space.scores;
  job.score_grads = job.states + s.heads * job.space.state;
  job.threads = job.scores + job.space.shared;
  return job;
}

void make_scores(const Job& job, ThreadPool* pool, int64_t row, int64_t rows) {
  const auto scores = TIDEMARK_SIMD(ssd_scores);
  const int64_t pieces = job.pieces(rows);
  pool->parallel_for(job.ssd.groups * pieces, [&](int64_t i, int thread) {
    const int64_t group = i / pieces, q = i % pieces;
    scores(job.ssd, job.piece(row, rows, q), group, job.scores_of(group, q), job.scratch(thread));
  });
}

void clear_states(const Job& job) {
  std::memset(job.states, 0, static_cast<size_t>(job.ssd.heads * job.space.state) * sizeof(float));
}

}  // namespace

void ssd_scan_cpu(const KernelArgs& args) {
  const Job job = job_of(args, 0, 5, false);
  const Ssd& s = job.ssd;
  const auto head_piece = TIDEMARK_SIMD(ssd_head_piece);
  const auto store_state = TIDEMARK_SIMD(ssd_store_state);
  clear_states(job);
  for (int64_t row = 0, chunk = 0; row < s.rows; row += job.chunk_rows, ++chunk) {
    const int64_t rows = std::min(job.chunk_rows, s.rows - row);
    make_scores(job, args.pool, row, rows);
    args.pool->parallel_for(s.heads, [&](int64_t head, int thread) {
      float* const state = job.states + head * job.space.state;
      store_state(s, state, args.out<float>(1) + (chunk * s.heads + head) * s.states * s.head_columns);
      const int64_t group = head / (s.heads / s.groups);
      for (int64_t q = 0; q < job.pieces(rows); ++q)
        head_piece(s, job.piece(row, rows, q), head, job.scores_of(group, q), state, args.outputs[0],
                   job.scratch(thread));
    });
  }
}

void ssd_scan_grad_cpu(const KernelArgs& args) {
  const Job job = job_of(args, 1, 7, true);
  const Ssd& s = job.ssd;
  SsdGrad grad;
  grad.ssd = s;
  if (!args.op.has_in(8)) clear(args, 1);
  grad.dy = args.inputs[0];
  grad.dxbc = args.outputs[0];
  grad.ddt = first_column(args, args.outputs[1], args.op.in(1).dtype);
  grad.da_log = args.out<float>(2);
  grad.dd = args.out<float>(3);
  grad.ddt_bias = args.out<float>(4);
  const auto grad_head = TIDEMARK_SIMD(ssd_grad_head);
  const auto grad_group = TIDEMARK_SIMD(ssd_grad_group);
  const int64_t group_heads = s.heads / s.groups, set_heads = job.shape.heads_per_set();
  const int64_t sets = job.shape.sets_per_group(), set_floats = job.shape.pieces() * job.space.scores;
  clear_states(job);
  const int64_t chunks = (s.rows + job.chunk_rows - 1) / job.chunk_rows;
  for (int64_t chunk = chunks; chunk-- > 0;) {
    const int64_t row = chunk * job.chunk_rows, rows = std::min(job.chunk_rows, s.rows - row);
    make_scores(job, args.pool, row, rows);
    args.pool->parallel_for(s.groups * sets, [&](int64_t set, int thread) {
      const int64_t group = set / sets, begin = set % sets * set_heads;
      SsdHeadChunk head;
      head.row = row;
      head.rows = rows;
      head.first = chunk == chunks - 1;
      head.scores = job.scores_of(group, 0);
      head.score_grads = job.score_grads + set * set_floats;
      head.score_stride = job.space.scores;
      std::memset(head.score_grads, 0, static_cast<size_t>(set_floats) * sizeof(float));
      for (int64_t i = begin; i < std::min(begin + set_heads, group_heads); ++i) {
        head.head = group * group_heads + i;
        head.state = args.in<float>(6) + (chunk * s.heads + head.head) * s.states * s.head_columns;
        head.state_grad = job.states + head.head * job.space.state;
        grad_head(grad, head, job.scratch(thread));
      }
    });
    const int64_t pieces = job.pieces(rows);
    args.pool->parallel_for(s.groups * pieces, [&](int64_t i, int thread) {
      const int64_t group = i / pieces, q = i % pieces;
      grad_group(grad, job.piece(row, rows, q), group, job.scores_of(group, q),
                 job.score_grads + group * sets * set_floats + q * job.space.scores, sets, set_floats,
                 job.scratch(thread));
    });
  }
}

}  // namespace tidemark::ops
