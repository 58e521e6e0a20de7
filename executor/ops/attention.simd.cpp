#include "executor/ops/attention_tile.h"

// Online softmax: Milakov & Gimelshein 2018; its tiles: Dao et al. 2022, FlashAttention.
namespace tidemark::ops::TIDEMARK_ISA_NS {
namespace {

struct Scratch {
  float *queries, *out, *keys, *values, *scores, *top, *sum;

  Scratch(float* p, const Attention& a)
      : queries(p),
        out(queries + kAttentionBlock * a.dim),
        keys(out + kAttentionBlock * a.value_dim),
        values(keys + kAttentionBlock * tile_columns(a.dim)),
        scores(values + kAttentionBlock * tile_columns(a.value_dim)),
        top(scores + kAttentionBlock * kPanel),
        sum(top + kAttentionBlock) {}
};

/// scores (in powers of two) become 2^(scores - top); `top`, `sum` and `out` follow the new maximum. `first`:
/// these are the first scores, and `out` holds nothing yet.
void softmax(float* scores, int64_t n_keys, bool first, float* top, float* sum, float* out, int64_t dim) {
  for (int half = 0; half < 2; ++half, scores += kLanes, top += kLanes, sum += kLanes, out += kLanes) {
    Vec highest = first ? load(scores) : load(top);
    for (int64_t p = 0; p < n_keys; ++p) highest = max(highest, load(scores + p * kPanel));
    Vec total = zero();
    for (int64_t p = 0; p < n_keys; ++p) {
      const Vec e = exp2(load(scores + p * kPanel) - highest);
      total = total + e;
      store(scores + p * kPanel, e);
    }
    if (!first) {
      const Vec shrink = exp2(load(top) - highest);
      total = fma(load(sum), shrink, total);
      for (int64_t d = 0; d < dim; ++d) store(out + d * kPanel, load(out + d * kPanel) * shrink);
    }
    store(top, highest);
    store(sum, total);
  }
}

/// Of a sequence without keys: a sum over nothing.
template <typename T>
void attend_to_nothing(const Attention& a, const QueryBlock& block) {
  for (int64_t row = block.queries.begin; row < block.queries.end; ++row) {
    T* const o = static_cast<T*>(a.o) + row * a.o_columns() + block.head * a.value_dim;
    lanes(0, a.value_dim, [&](int64_t j, auto w) { store(o + j, zero(), w); });
    a.lse[block.head * a.queries + row] = -INFINITY;
  }
}

template <typename T>
void attend_block(const Attention& a, const QueryBlock& block, float* scratch) {
  const int64_t dim = a.dim, value_dim = a.value_dim, ld = tile_columns(dim);
  const int64_t q_ld = a.q_columns(), k_ld = a.k_columns(), v_ld = a.v_columns();
  const Scratch s(scratch, a);
  const T* const k = static_cast<const T*>(a.k) + a.kv_head(block.head) * dim;
  const T* const v = static_cast<const T*>(a.v) + a.kv_head(block.head) * value_dim;
  const T* const q = static_cast<const T*>(a.q) + block.head * dim;
  const Rows all = block.keys(a.causal);
  if (all.begin == all.end) return attend_to_nothing<T>(a, block);
  const auto prefetch_tile = [&](int64_t key) {
    const int64_t rows = smaller(kAttentionBlock, all.end - key);
    prefetch_rows(k + key * k_ld, k_ld, rows, dim);
    prefetch_rows(v + key * v_ld, v_ld, rows, value_dim);
  };
  const int64_t n_queries = block.queries.end - block.queries.begin;
  prefetch_rows(q + block.queries.begin * q_ld, q_ld, n_queries, dim);
  prefetch_tile(all.begin);
  pack_transposed(q + block.queries.begin * q_ld, q_ld, dim, n_queries, s.queries);

  for (int64_t key = all.begin; key < all.end; key += kAttentionBlock) {
    const Rows keys{key, smaller(key + kAttentionBlock, all.end)};
    const bool first = key == all.begin;
    copy_rows(k, k_ld, keys, dim, a.scale * kLog2E, s.keys);
    copy_rows(v, v_ld, keys, value_dim, 1, s.values);
    prefetch_tile(keys.end);
    for (int64_t i = 0; i < panels_of(block); ++i) {
      const Rows queries = panel_of(block, i);
      const int64_t n = visible(a.causal, keys, queries);
      if (n <= 0) continue;
      float* const out = s.out + i * kPanel * value_dim;
      multiply<Layout::rows>(n, kPanel, dim, s.keys, ld, s.queries + i * kPanel * dim, s.scores, kPanel, {});
      if (a.causal) mask_later_keys(s.scores, n, key, queries);
      softmax(s.scores, n, first, s.top + i * kPanel, s.sum + i * kPanel, out, value_dim);
      multiply<Layout::columns>(value_dim, kPanel, n, s.values, tile_columns(value_dim), s.scores, out,
                                kPanel, first ? Start{} : Start{out, kPanel});
    }
  }

  float* const lse = a.lse + block.head * a.queries;
  for (int64_t i = 0; i < panels_of(block); ++i) {
    const Rows queries = panel_of(block, i);
    float* const out = s.out + i * kPanel * value_dim;
    const float* const sum = s.sum + i * kPanel;
    for (int64_t row = queries.begin; row < queries.end; ++row)
      lse[row] = s.top[i * kPanel + row - queries.begin] / kLog2E + logf(sum[row - queries.begin]);
    const Vec share[2] = {broadcast(1) / load(sum), broadcast(1) / load(sum + kLanes)};
    for (int64_t j = 0; j < value_dim * kPanel; j += kPanel) {
      store(out + j, load(out + j) * share[0]);
      store(out + j + kLanes, load(out + j + kLanes) * share[1]);
    }
    unpack_queries(out, queries, value_dim, s.values, static_cast<T*>(a.o) + block.head * value_dim,
                   a.o_columns());
  }
}

}  // namespace

void attend(const Attention& a, const QueryBlock& block, float* scratch) {
  a.bf16 ? attend_block<Bf16>(a, block, scratch) : attend_block<float>(a, block, scratch);
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
