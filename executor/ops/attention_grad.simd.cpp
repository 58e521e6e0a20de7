#include "executor/ops/attention_tile.h"

// Probabilities are made again from the log-sum-exp: Dao et al. 2022, FlashAttention, algorithm 4.
namespace tidemark::ops::TIDEMARK_ISA_NS {
namespace {

/// Of each panel: q and do as columns (q in powers of two, do times the scale) and as rows, dq as columns.
struct Scratch {
  float *q_columns, *do_columns, *q_rows, *do_rows, *dq, *keys, *values, *p, *ds, *lse, *delta;

  Scratch(float* at, int64_t dim)
      : q_columns(at),
        do_columns(q_columns + kAttentionBlock * dim),
        q_rows(do_columns + kAttentionBlock * dim),
        do_rows(q_rows + packed_elements(kAttentionBlock, dim)),
        dq(do_rows + packed_elements(kAttentionBlock, dim)),
        keys(dq + kAttentionBlock * dim),
        values(keys + kAttentionBlock * tile_columns(dim)),
        p(values + kAttentionBlock * tile_columns(dim)),
        ds(p + kAttentionBlock * kPanel),
        lse(ds + kAttentionBlock * kPanel),
        delta(lse + kAttentionBlock) {}
};

template <typename T>
void begin(const AttentionGrad& g, const QueryBlock& block, float* scratch) {
  const Attention& a = g.forward;
  const int64_t dim = a.dim, ld = a.q_columns();
  const Scratch s(scratch, dim);
  const T* const q = static_cast<const T*>(a.q) + block.head * dim;
  const T* const d_o = static_cast<const T*>(g.d_o) + block.head * dim;
  const T* const o = static_cast<const T*>(a.o) + block.head * dim;
  pack_queries(q, ld, block, dim, a.scale * kLog2E, s.q_columns);
  pack_queries(d_o, ld, block, dim, a.scale, s.do_columns);
  for (int64_t i = 0; i < panels_of(block); ++i) {
    const Rows queries = panel_of(block, i);
    const int64_t n = queries.end - queries.begin, at = i * packed_elements(kPanel, dim);
    pack_rows(q + queries.begin * ld, ld, nullptr, n, dim, s.q_rows + at);
    pack_rows(d_o + queries.begin * ld, ld, nullptr, n, dim, s.do_rows + at);
  }
  for (int64_t i = 0; i < kAttentionBlock * dim; i += kLanes) store(s.dq + i, zero());
  for (int64_t i = 0; i < kAttentionBlock; ++i) {
    const int64_t row = block.queries.begin + i;
    const bool used = row < block.queries.end;
    Vec products = zero();
    if (used)
      lanes(0, dim, [&](int64_t j, auto w) {
        products = fma(load(d_o + row * ld + j, w), load(o + row * ld + j, w), products);
      });
    s.delta[i] = a.scale * sum(products);
    s.lse[i] = used ? a.lse[block.head * a.tokens + row] * kLog2E : 0;
  }
}

/// p: scores become probabilities; ds: their gradients become those of the scores.
void differentiate(float* p, float* ds, int64_t n_keys, int64_t first_key, Rows queries, bool causal,
                   const float* lse, const float* delta) {
  const Vec minus_lse[2] = {zero() - load(lse), zero() - load(lse + kLanes)};
  const Vec minus_delta[2] = {zero() - load(delta), zero() - load(delta + kLanes)};
  update_scores(p, n_keys, first_key, queries, causal, -INFINITY, [&](int half, Vec x) {
    const Vec probability = exp2(x + minus_lse[half]);
    float* const at = ds + half * kLanes;
    store(at, probability * (load(at) + minus_delta[half]));
    if (half == 1) ds += kPanel;
    return probability;
  });
}

template <typename T>
void add(const AttentionGrad& g, const QueryBlock& block, Rows keys, float* scratch) {
  const Attention& a = g.forward;
  const int64_t dim = a.dim, ld = tile_columns(dim), kv_ld = a.kv_columns();
  const int64_t column = a.kv_head(block.head) * dim;
  const Scratch s(scratch, dim);
  copy_rows(static_cast<const T*>(a.k) + column, kv_ld, keys, dim, s.keys);
  copy_rows(static_cast<const T*>(a.v) + column, kv_ld, keys, dim, s.values);
  float* const dk = g.dk + keys.begin * kv_ld + column;
  float* const dv = g.dv + keys.begin * kv_ld + column;
  for (int64_t i = 0; i < panels_of(block); ++i) {
    const Rows queries = panel_of(block, i);
    const int64_t n_queries = queries.end - queries.begin, n = visible(a.causal, keys, queries);
    if (n <= 0) continue;
    const int64_t columns_at = i * kPanel * dim, rows_at = i * packed_elements(kPanel, dim);
    float* const dq = s.dq + columns_at;
    multiply<Layout::rows>(n, kPanel, dim, s.keys, ld, s.q_columns + columns_at, s.p, kPanel, {});
    multiply<Layout::rows>(n, kPanel, dim, s.values, ld, s.do_columns + columns_at, s.ds, kPanel, {});
    differentiate(s.p, s.ds, n, keys.begin, queries, a.causal, s.lse + i * kPanel, s.delta + i * kPanel);
    multiply<Layout::rows>(n, dim, n_queries, s.p, kPanel, s.do_rows + rows_at, dv, kv_ld, {dv, kv_ld});
    multiply<Layout::rows>(n, dim, n_queries, s.ds, kPanel, s.q_rows + rows_at, dk, kv_ld, {dk, kv_ld});
    multiply<Layout::columns>(dim, kPanel, n, s.keys, ld, s.ds, dq, kPanel, {dq, kPanel});
  }
}

template <typename T>
void end(const AttentionGrad& g, const QueryBlock& block, float* scratch) {
  const Attention& a = g.forward;
  const Scratch s(scratch, a.dim);
  for (int64_t i = 0; i < panels_of(block); ++i)
    unpack_queries(s.dq + i * kPanel * a.dim, panel_of(block, i), a.dim, s.keys,
                   static_cast<T*>(g.dq) + block.head * a.dim, a.q_columns());
}

}  // namespace

void attention_grad_begin(const AttentionGrad& g, const QueryBlock& block, float* scratch) {
  g.forward.bf16 ? begin<Bf16>(g, block, scratch) : begin<float>(g, block, scratch);
}
void attention_grad_add(const AttentionGrad& g, const QueryBlock& block, Rows keys, float* scratch) {
  g.forward.bf16 ? add<Bf16>(g, block, keys, scratch) : add<float>(g, block, keys, scratch);
}
void attention_grad_end(const AttentionGrad& g, const QueryBlock& block, float* scratch) {
  g.forward.bf16 ? end<Bf16>(g, block, scratch) : end<float>(g, block, scratch);
}
void round_to_bf16(const float* in, Bf16* out, int64_t n) {
  convert(in, out, n);
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
