#include "executor/ops/eager_attention.h"

#include "executor/cpu/gemm.h"
#include "executor/ops/all.h"
#include "executor/ops/operands.h"
#include "graph/eager_attention_workspace.h"

namespace tidemark::ops {
namespace {

/// One op's heads, and where in its operands each lies.
struct Layout {
  ScoreRows rows;
  int64_t sequences, heads, kv_heads, dim;

  /// q, k and v at inputs `first`…
  Layout(const KernelArgs& args, int first) {
    const TensorType& q = args.op.in(first);
    const Attributes& a = args.op.attributes();
    heads = a.integer("heads");
    kv_heads = a.integer("kv_heads");
    dim = columns_of(q) / heads;
    rows.bf16 = is_bf16(q);
    rows.causal = a.flag("causal");
    rows.length = a.integer("length");
    rows.scale = static_cast<float>(a.number("scale"));
    sequences = rows_of(q) / rows.length;
  }

  /// A head's [length, dim] in a matrix of `count` heads' columns.
  template <typename P>
  P* at(P* matrix, int64_t count, int64_t sequence, int64_t head) const {
    return element(matrix, (sequence * rows.length * count + head) * dim);
  }
  /// Its [length, length].
  template <typename P>
  P* scores(P* p, int64_t sequence, int64_t head) const {
    return element(p, (sequence * heads + head) * rows.length * rows.length);
  }
  int64_t kv_head(int64_t head) const { return head * kv_heads / heads; }

  template <typename F>
  void each_row_range(ThreadPool* pool, F&& fn) const {
    parallel_rows(pool, rows.length, rows.length, fn);
  }

 private:
  template <typename P>
  P* element(P* base, int64_t i) const {
    using Byte = std::conditional_t<std::is_const_v<P>, const char, char>;
    return reinterpret_cast<Byte*>(base) + i * (rows.bf16 ? 2 : 4);
  }
};

}  // namespace

void eager_attention_cpu(const KernelArgs& args) {
  const Layout l(args, 0);
  const int64_t n = l.rows.length;
  cpu::Gemm qk, pv;
  qk.m = qk.n = pv.m = pv.k = n;
  qk.k = pv.n = l.dim;
  qk.lda = pv.ldc = l.heads * l.dim;
  qk.ldb = pv.ldb = l.kv_heads * l.dim;
  qk.b_transposed = true;
  qk.ldc = pv.lda = n;
  for (cpu::Gemm* g : {&qk, &pv}) g->a_bf16 = g->b_bf16 = g->c_bf16 = l.rows.bf16;
  const auto softmax = TIDEMARK_SIMD(softmax_score_rows);
  for (int64_t s = 0; s < l.sequences; ++s)
    for (int64_t head = 0; head < l.heads; ++head) {
      void* const p = l.scores(static_cast<char*>(args.outputs[1]), s, head);
      qk.a = l.at(static_cast<const char*>(args.inputs[0]), l.heads, s, head);
      qk.b = l.at(static_cast<const char*>(args.inputs[1]), l.kv_heads, s, l.kv_head(head));
      qk.c = p;
      cpu::gemm(qk, args.workspace, args.pool);
      l.each_row_range(args.pool, [&](int64_t begin, int64_t end) { softmax(l.rows, p, begin, end); });
      pv.a = p;
      pv.b = l.at(static_cast<const char*>(args.inputs[2]), l.kv_heads, s, l.kv_head(head));
      pv.c = l.at(static_cast<char*>(args.outputs[0]), l.heads, s, head);
      cpu::gemm(pv, args.workspace, args.pool);
    }
}

// dv = p^T do; dp = do v^T; ds = p (dp - sum of p dp) scale; dq = ds k; dk = ds^T q. The heads of a group add
// up in dk and dv one after the other.
void eager_attention_grad_cpu(const KernelArgs& args) {
  const Layout l(args, 1);
  const int64_t n = l.rows.length, wide = l.heads * l.dim, narrow = l.kv_heads * l.dim;
  const bool bf16 = l.rows.bf16;
  const cpu::EagerAttentionSpace space =
      cpu::eager_attention_space(n, wide, l.dim, args.op.in(1).dtype, true, args.pool->threads());
  auto* const ds = static_cast<float*>(args.workspace);
  void* const scratch = static_cast<char*>(args.workspace) + space.scores_bytes;

  cpu::Gemm dv, dp, dq, dk;
  for (cpu::Gemm* g : {&dv, &dq, &dk}) {
    g->m = g->k = n;
    g->n = l.dim;
    g->lda = n;
    g->b_bf16 = g->c_bf16 = bf16;
  }
  dv.a_transposed = dk.a_transposed = true;
  dv.a_bf16 = bf16;
  dv.ldb = dk.ldb = dq.ldc = wide;
  dq.ldb = dv.ldc = dk.ldc = dv.ld_start = dk.ld_start = narrow;
  dp.m = dp.n = n;
  dp.k = l.dim;
  dp.a_bf16 = dp.b_bf16 = bf16;
  dp.lda = wide;
  dp.ldb = narrow;
  dp.b_transposed = true;
  dp.ldc = n;
  dp.c = ds;
  dq.a = dk.a = ds;

  const auto gradient = TIDEMARK_SIMD(score_gradient_rows);
  const auto in = [&](size_t i) { return static_cast<const char*>(args.inputs[i]); };
  const auto out = [&](size_t i) { return static_cast<char*>(args.outputs[i]); };
  for (int64_t s = 0; s < l.sequences; ++s)
    for (int64_t head = 0; head < l.heads; ++head) {
      const int64_t kv = l.kv_head(head);
      const bool first_of_group = head == 0 || l.kv_head(head - 1) != kv;
      const void* const p = l.scores(in(4), s, head);
      dv.a = p;
      dv.b = dp.a = l.at(in(0), l.heads, s, head);
      dv.c = l.at(out(2), l.kv_heads, s, kv);
      dv.start = first_of_group ? nullptr : dv.c;
      cpu::gemm(dv, scratch, args.pool);
      dp.b = l.at(in(3), l.kv_heads, s, kv);
      cpu::gemm(dp, scratch, args.pool);
      l.each_row_range(args.pool, [&](int64_t begin, int64_t end) { gradient(l.rows, p, ds, begin, end); });
      dq.b = l.at(in(2), l.kv_heads, s, kv);
      dq.c = l.at(out(0), l.heads, s, head);
      cpu::gemm(dq, scratch, args.pool);
      dk.b = l.at(in(1), l.heads, s, head);
      dk.c = l.at(out(1), l.kv_heads, s, kv);
      dk.start = first_of_group ? nullptr : dk.c;
      cpu::gemm(dk, scratch, args.pool);
    }
}

}  // namespace tidemark::ops
