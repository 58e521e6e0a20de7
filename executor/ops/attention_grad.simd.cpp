#include "executor/ops/attention_tile.h"

// Probabilities are made again from the log-sum-exp: Dao et al. 2022, FlashAttention, algorithm 4.
namespace tidemark::ops::TIDEMARK_ISA_NS {
namespace {

/// Of each panel: q and do as columns and as rows (of q times the scale), dq as columns.
struct Scratch {
  float *q_columns, *do_columns, *q_rows, *do_rows, *dq, *keys, *values, *p, *ds, *lse, *delta;

  Scratch(float* at, const Attention& a)
      : q_columns(at),
        do_columns(q_columns + kAttentionBlock * a.dim),
        q_rows(do_columns + kAttentionBlock * a.value_dim),
        do_rows(q_rows + packed_elements(kAttentionBlock, a.dim)),
        dq(do_rows + packed_elements(kAttentionBlock, a.value_dim)),
        keys(dq + kAttentionBlock * a.dim),
        values(keys + kAttentionBlock * tile_columns(a.dim)),
        p(values + kAttentionBlock * tile_columns(a.value_dim)),
        ds(p + kAttentionBlock * kPanel),
        lse(ds + kAttentionBlock * kPanel),
        delta(lse + kAttentionBlock) {}
};

/// Keys, values and their sums of the tile that begins at `key`.
template <typename T>
void prefetch_tile(const AttentionGrad& g, const QueryBlock& block, int64_t key) {
  const Attention& a = g.forward;
  const int64_t rows = smaller(kAttentionBlock, block.keys(a.causal).end - key);
  const int64_t k_at = key * a.k_columns() + a.kv_head(block.head) * a.dim;
  const int64_t v_at = key * a.v_columns() + a.kv_head(block.head) * a.value_dim;
  prefetch_rows(static_cast<const T*>(a.k) + k_at, a.k_columns(), rows, a.dim);
  prefetch_rows(static_cast<const T*>(a.v) + v_at, a.v_columns(), rows, a.value_dim);
  prefetch_rows(g.dk + k_at, a.k_columns(), rows, a.dim);
  prefetch_rows(g.dv + v_at, a.v_columns(), rows, a.value_dim);
}

template <typename T>
void begin(const AttentionGrad& g, const QueryBlock& block, float* scratch) {
  const Attention& a = g.forward;
  const int64_t dim = a.dim, value_dim = a.value_dim, q_ld = a.q_columns(), o_ld = a.o_columns();
  const int64_t n_queries = block.queries.end - block.queries.begin;
  const Scratch s(scratch, a);
  const T* const q = static_cast<const T*>(a.q) + block.queries.begin * q_ld + block.head * dim;
  const int64_t at = block.queries.begin * o_ld + block.head * value_dim;
  const T* const d_o = static_cast<const T*>(g.d_o) + at;
  const T* const o = static_cast<const T*>(a.o) + at;
  prefetch_rows(q, q_ld, n_queries, dim);
  for (const T* x : {d_o, o}) prefetch_rows(x, o_ld, n_queries, value_dim);
  prefetch_tile<T>(g, block, block.sequence_keys.begin);

  pack_transposed(q, q_ld, dim, n_queries, s.q_columns);
  pack_transposed(d_o, o_ld, value_dim, n_queries, s.do_columns);
  for (int64_t i = 0; i < n_queries; i += kPanel) {
    const int64_t n = smaller(kPanel, n_queries - i), panel = i / kPanel;
    float* const q_rows = s.q_rows + panel * packed_elements(kPanel, dim);
    pack_rows(q + i * q_ld, q_ld, nullptr, n, dim, q_rows);
    pack_rows(d_o + i * o_ld, o_ld, nullptr, n, value_dim,
              s.do_rows + panel * packed_elements(kPanel, value_dim));
    scale(q_rows, packed_elements(n, dim), a.scale);
  }
  for (int64_t i = 0; i < kAttentionBlock; ++i) {
    Vec products = zero();
    if (i < n_queries)
      lanes(0, value_dim, [&](int64_t j, auto w) {
        products = fma(load(d_o + i * o_ld + j, w), load(o + i * o_ld + j, w), products);
      });
    s.delta[i] = sum(products);
    s.lse[i] = i < n_queries ? a.lse[block.head * a.queries + block.queries.begin + i] * kLog2E : 0;
  }
}

/// p: scores become probabilities; ds: their gradients become those of the scores.
void differentiate(float* p, float* ds, int64_t n_keys, const float* lse, const float* delta) {
  for (int half = 0; half < 2; ++half, p += kLanes, ds += kLanes, lse += kLanes, delta += kLanes) {
    const Vec log_sum = load(lse), d = load(delta);
    for (int64_t i = 0; i < n_keys * kPanel; i += kPanel) {
      const Vec probability = exp2(load(p + i) - log_sum);
      store(p + i, probability);
      store(ds + i, probability * (load(ds + i) - d));
    }
  }
}

template <typename T>
void add(const AttentionGrad& g, const QueryBlock& block, Rows keys, float* scratch) {
  const Attention& a = g.forward;
  const int64_t dim = a.dim, value_dim = a.value_dim, ld = tile_columns(dim);
  const int64_t k_ld = a.k_columns(), v_ld = a.v_columns();
  const int64_t k_column = a.kv_head(block.head) * dim, v_column = a.kv_head(block.head) * value_dim;
  const Scratch s(scratch, a);
  copy_rows(static_cast<const T*>(a.k) + k_column, k_ld, keys, dim, a.scale * kLog2E, s.keys);
  copy_rows(static_cast<const T*>(a.v) + v_column, v_ld, keys, value_dim, 1, s.values);
  prefetch_tile<T>(g, block, keys.end);
  float* const dk = g.dk + keys.begin * k_ld + k_column;
  float* const dv = g.dv + keys.begin * v_ld + v_column;
  const bool first = keys.begin == block.sequence_keys.begin;
  for (int64_t i = 0; i < panels_of(block); ++i) {
    const Rows queries = panel_of(block, i);
    const int64_t n_queries = queries.end - queries.begin, n = visible(a.causal, keys, queries);
    if (n <= 0) continue;
    const float* const q_rows = s.q_rows + i * packed_elements(kPanel, dim);
    const float* const do_rows = s.do_rows + i * packed_elements(kPanel, value_dim);
    float* const dq = s.dq + i * kPanel * dim;
    multiply<Layout::rows>(n, kPanel, dim, s.keys, ld, s.q_columns + i * kPanel * dim, s.p, kPanel, {});
    multiply<Layout::rows>(n, kPanel, value_dim, s.values, tile_columns(value_dim),
                           s.do_columns + i * kPanel * value_dim, s.ds, kPanel, {});
    if (a.causal) mask_later_keys(s.p, n, keys.begin, queries);
    differentiate(s.p, s.ds, n, s.lse + i * kPanel, s.delta + i * kPanel);
    multiply<Layout::rows>(n, value_dim, n_queries, s.p, kPanel, do_rows, dv, v_ld, {dv, v_ld});
    multiply<Layout::rows>(n, dim, n_queries, s.ds, kPanel, q_rows, dk, k_ld, {dk, k_ld});
    multiply<Layout::columns>(dim, kPanel, n, s.keys, ld, s.ds, dq, kPanel,
                              first ? Start{} : Start{dq, kPanel});
  }
}

template <typename T>
void end(const AttentionGrad& g, const QueryBlock& block, float* scratch) {
  const Attention& a = g.forward;
  const Scratch s(scratch, a);
  const int64_t elements = panels_of(block) * kPanel * a.dim;
  const Rows keys = block.keys(a.causal);
  if (keys.begin == keys.end)  // no tile began the sum
    for (int64_t i = 0; i < elements; i += kLanes) store(s.dq + i, zero());
  scale(s.dq, elements, 1 / kLog2E);  // the keys were in powers of two
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
