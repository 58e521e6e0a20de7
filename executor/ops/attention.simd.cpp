#include "executor/ops/attention_tile.h"

// Online softmax: Milakov & Gimelshein 2018; its tiles: Dao et al. 2022, FlashAttention.
namespace tidemark::ops::TIDEMARK_ISA_NS {
namespace {

struct Scratch {
  float *queries, *out, *keys, *values, *scores, *top, *sum;

  Scratch(float* p, int64_t dim)
      : queries(p),
        out(queries + kAttentionBlock * dim),
        keys(out + kAttentionBlock * dim),
        values(keys + kAttentionBlock * tile_columns(dim)),
        scores(values + kAttentionBlock * tile_columns(dim)),
        top(scores + kAttentionBlock * kPanel),
        sum(top + kAttentionBlock) {}
};

/// scores (in powers of two) become 2^(scores - top); `out`, `sum` and `top` follow the new maximum.
void softmax(float* scores, int64_t n_keys, int64_t first_key, Rows queries, bool causal, float* top,
             float* sum, float* out, int64_t dim) {
  Vec highest[2] = {load(top), load(top + kLanes)};
  update_scores(scores, n_keys, first_key, queries, causal, -INFINITY, [&](int half, Vec x) {
    highest[half] = max(highest[half], x);
    return x;
  });
  const Vec shrink[2] = {exp2(load(top) - highest[0]), exp2(load(top + kLanes) - highest[1])};
  Vec total[2] = {load(sum) * shrink[0], load(sum + kLanes) * shrink[1]};
  for (int64_t p = 0; p < n_keys; ++p, scores += kPanel)
    for (int half = 0; half < 2; ++half) {
      const Vec e = exp2(load(scores + half * kLanes) - highest[half]);
      total[half] = total[half] + e;
      store(scores + half * kLanes, e);
    }
  for (int half = 0; half < 2; ++half) {
    store(top + half * kLanes, highest[half]);
    store(sum + half * kLanes, total[half]);
    for (int64_t d = 0; d < dim; ++d) {
      float* const x = out + d * kPanel + half * kLanes;
      store(x, load(x) * shrink[half]);
    }
  }
}

template <typename T>
void attend_block(const Attention& a, const QueryBlock& block, float* scratch) {
  const int64_t dim = a.dim, ld = tile_columns(dim);
  const Scratch s(scratch, dim);
  const T* const k = static_cast<const T*>(a.k) + a.kv_head(block.head) * dim;
  const T* const v = static_cast<const T*>(a.v) + a.kv_head(block.head) * dim;
  pack_queries(static_cast<const T*>(a.q) + block.head * dim, a.q_columns(), block, dim, a.scale * kLog2E,
               s.queries);
  for (int64_t i = 0; i < kAttentionBlock * dim; i += kLanes) store(s.out + i, zero());
  for (int64_t i = 0; i < kAttentionBlock; i += kLanes) {
    store(s.top + i, broadcast(-INFINITY));
    store(s.sum + i, zero());
  }

  const Rows all = block.keys(a.causal);
  for (int64_t key = all.begin; key < all.end; key += kAttentionBlock) {
    const Rows keys{key, smaller(key + kAttentionBlock, all.end)};
    copy_rows(k, a.kv_columns(), keys, dim, s.keys);
    copy_rows(v, a.kv_columns(), keys, dim, s.values);
    for (int64_t i = 0; i < panels_of(block); ++i) {
      const Rows queries = panel_of(block, i);
      const int64_t n = visible(a.causal, keys, queries);
      if (n <= 0) continue;
      float* const out = s.out + i * kPanel * dim;
      multiply<Layout::rows>(n, kPanel, dim, s.keys, ld, s.queries + i * kPanel * dim, s.scores, kPanel, {});
      softmax(s.scores, n, key, queries, a.causal, s.top + i * kPanel, s.sum + i * kPanel, out, dim);
      multiply<Layout::columns>(dim, kPanel, n, s.values, ld, s.scores, out, kPanel, {out, kPanel});
    }
  }

  float* const lse = a.lse + block.head * a.tokens;
  for (int64_t i = 0; i < panels_of(block); ++i) {
    const Rows queries = panel_of(block, i);
    float* const out = s.out + i * kPanel * dim;
    const float* const sum = s.sum + i * kPanel;
    for (int64_t q = queries.begin; q < queries.end; ++q)
      lse[q] = s.top[i * kPanel + q - queries.begin] / kLog2E + logf(sum[q - queries.begin]);
    const Vec share[2] = {broadcast(1) / load(sum), broadcast(1) / load(sum + kLanes)};
    for (int64_t j = 0; j < dim * kPanel; j += kPanel) {
      store(out + j, load(out + j) * share[0]);
      store(out + j + kLanes, load(out + j + kLanes) * share[1]);
    }
    unpack_queries(out, queries, dim, s.keys, static_cast<T*>(a.o) + block.head * dim, a.q_columns());
  }
}

}  // namespace

void attend(const Attention& a, const QueryBlock& block, float* scratch) {
  a.bf16 ? attend_block<Bf16>(a, block, scratch) : attend_block<float>(a, block, scratch);
}

}  // namespace tidemark::ops::TIDEMARK_ISA_NS
