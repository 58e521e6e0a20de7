// Attention in tiles: online softmax (Milakov & Gimelshein 2018; Dao et al. 2022, FlashAttention), and a
// gradient in which every sum has one writer: dk and dv by blocks of keys, dq by blocks of queries.
#pragma once

#include "base/divided.h"
#include "executor/ops/attention_device_tile.h"
#include "executor/ops/attention_grad_warp.h"
#include "executor/ops/attention_warp.h"
#include "graph/cuda_workspace.h"

namespace tidemark::ops {

template <typename T>
DeviceAttention<T> device_attention(const KernelArgs& args, int first, int cu_seqlens) {
  const Attributes& attributes = args.op.attributes();
  DeviceAttention<T> a;
  a.heads = attributes.integer("heads");
  a.kv_heads = attributes.integer("kv_heads");
  a.causal = attributes.flag("causal");
  a.scale = static_cast<float>(attributes.number("scale"));
  a.tokens = args.op.in(first).shape[0];
  a.dim = args.op.in(first).shape[1] / a.heads;
  a.value_dim = args.op.in(first + 2).shape[1] / a.kv_heads;
  a.q = args.in<T>(first);
  a.k = args.in<T>(first + 1);
  a.v = args.in<T>(first + 2);
  a.keys = args.op.in(first + 1).shape[0];
  a.cu_seqlens = args.in<int32_t>(cu_seqlens);
  a.cu_seqlens_k = args.op.has_in(cu_seqlens + 1) ? args.in<int32_t>(cu_seqlens + 1) : a.cu_seqlens;
  a.entries = args.op.in(cu_seqlens).shape[0];
  return a;
}

/// Whether tensor cores multiply: bf16 in rows of whole chunks, which lie 16 bytes aligned. All else is left
/// to tiles of f32, and a scale that is not positive, by which the highest score would not be the one before
/// it.
template <typename T>
bool on_tensor_cores(const DeviceAttention<T>& a) {
  return std::is_same_v<T, Bf16> && a.dim % device::kChunk == 0 && a.value_dim % device::kChunk == 0 &&
         a.scale > 0;
}

/// Tiles of a block's queries and keys, and what it has in shared memory.
struct AttentionBlock {
  AttentionTiles tiles, values;
  int64_t bytes = 0;
};
/// As many rows as are made for so wide heads, or half as many, and so on, if a block may not have so much
/// shared memory. floats(block): that it has besides where the rows' columns begin and end.
template <typename T, typename Device, typename Floats>
AttentionBlock attention_block(const Device& device, const DeviceAttention<T>& a, int64_t rows,
                               const Floats& floats) {
  AttentionBlock block;
  do {
    block.tiles = {rows, a.dim};
    block.values = {rows, a.value_dim};
    block.bytes = 4 * floats(block) + 8 * rows;
    rows /= 2;
  } while (block.bytes > device.shared_bytes());
  return block;
}
inline int64_t attention_tile_rows(int64_t dim) {
  return dim <= 128 ? 64 : dim <= 256 ? 32 : 16;
}
inline int64_t attention_grad_tile_rows(int64_t dim) {
  return dim <= 64 ? 64 : dim <= 128 ? 32 : 16;
}
template <typename T, typename Device, typename Floats>
AttentionBlock attention_grad_block(const Device& device, const DeviceAttention<T>& a, const Floats& floats) {
  return attention_block(device, a, attention_grad_tile_rows(std::max(a.dim, a.value_dim)), floats);
}

template <typename T, typename Device>
void attention_typed(const KernelArgs& args, Device& device) {
  using Group = typename Device::Group;
  const DeviceAttention<T> a = device_attention<T>(args, 0, 3);
  T* const o = args.out<T>(0);
  float* const lse = args.out<float>(1);
  if constexpr (std::is_same_v<T, Bf16>)
    if (on_tensor_cores(a)) return attention_on_tensor_cores(device, a, o, lse);
  const auto kv_floats_of = [](const AttentionBlock& b) {
    return std::max(b.tiles.operand(), b.values.operand());
  };
  const AttentionBlock shape = attention_block(
      device, a, attention_tile_rows(std::max(a.dim, a.value_dim)), [&](const AttentionBlock& b) {
        return b.tiles.operand() + kv_floats_of(b) + b.values.operand() + b.tiles.scores() + 3 * b.tiles.rows;
      });
  const AttentionTiles tiles = shape.tiles, values = shape.values;
  const int64_t blocks = divided(a.tokens, tiles.rows), kv_floats = kv_floats_of(shape);
  device.launch(
      blocks * a.heads, kAttentionLanes, shape.bytes, TIDEMARK_BODY(Group & group, int64_t index) {
        // The last queries of a sequence see the most keys: the longest blocks first.
        const int64_t head = index % a.heads, begin = (blocks - 1 - index / a.heads) * tiles.rows;
        float* at = group.template shared<float>();
        float* const q = at;
        float* const kv = at += tiles.operand();
        float* const out = at += kv_floats;
        float* const scores = at += values.operand();
        float* const top = at += tiles.scores();
        float* const sum = at += tiles.rows;
        float* const shrink = at += tiles.rows;
        const SeenKeys seen{reinterpret_cast<int32_t*>(at + tiles.rows), tiles.rows};
        find_seen_keys(group, a, begin, seen);
        load_tile(group, tiles, a.q + head * a.dim, a.q_columns(), begin, a.tokens, q);
        group.each(values.operand(), [&](int64_t i) { out[i] = 0; });
        group.each(tiles.rows, [&](int64_t i) {
          top[i] = -INFINITY;
          sum[i] = 0;
        });
        const int64_t keys_end = seen.end_of_all(a, begin);
        for (int64_t key = seen.begin[0]; key < keys_end; key += tiles.rows) {
          load_tile(group, tiles, a.k + a.kv_head(head) * a.dim, a.k_columns(), key, a.keys, kv);
          multiply_rows(group, tiles, q, kv, a.scale, scores);
          group.each(tiles.rows, [&](int64_t i) {
            float* const s = scores + i * tiles.scores_ld();
            float highest = top[i];
            for (int64_t j = 0; j < tiles.rows; ++j)
              if (seen.sees(i, key + j)) highest = device::larger(highest, s[j]);
            float total = 0;
            for (int64_t j = 0; j < tiles.rows; ++j) {
              s[j] = seen.sees(i, key + j) ? expf(s[j] - highest) : 0.0f;
              total += s[j];
            }
            // Before its first key a row has seen nothing: -inf - -inf is no number.
            shrink[i] = highest == top[i] ? 1.0f : expf(top[i] - highest);
            sum[i] = sum[i] * shrink[i] + total;
            top[i] = highest;
          });
          load_tile(group, values, a.v + a.kv_head(head) * a.value_dim, a.v_columns(), key, a.keys, kv);
          group.each(values.operand(), [&](int64_t i) { out[i] *= shrink[i / values.ld()]; });
          add_product<false>(group, values, scores, kv, 1, out);
        }
        store_tile(
            group, values, a.tokens, a.o_columns(), begin, out,
            [&](int64_t i) { return sum[i] > 0 ? 1 / sum[i] : 0.0f; },  // of no keys: zero
            o + head * a.value_dim);
        group.each(device::smaller(tiles.rows, a.tokens - begin),
                   [&](int64_t i) { lse[head * a.tokens + begin + i] = top[i] + logf(sum[i]); });
      });
}

template <typename Device>
void attention_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(0), attention_typed, args, device);
}

/// Of a tile of queries and one of keys, both loaded: scores becomes the probabilities, dscores the scores'
/// gradients, times the scale.
template <typename T, typename Group>
TIDEMARK_DEVICE void differentiate_tile(Group& group, const AttentionTiles& tiles,
                                        const DeviceAttentionGrad<T>& g, int64_t head, int64_t query,
                                        int64_t key, const SeenKeys& seen, float* scores, float* dscores) {
  const DeviceAttention<T>& a = g.forward;
  group.each(tiles.rows * tiles.rows, [&](int64_t at) {
    const int64_t i = at / tiles.rows, j = at % tiles.rows;
    float* const p = scores + i * tiles.scores_ld() + j;
    float* const dp = dscores + i * tiles.scores_ld() + j;
    const bool sees = seen.sees(i, key + j);
    const int64_t row = head * a.tokens + query + i;
    *p = sees ? expf(*p - g.lse[row]) : 0.0f;
    *dp = sees ? *p * (*dp - g.delta[row]) * a.scale : 0.0f;
  });
}

/// A block of keys at a time, over the queries of all heads that read them.
template <typename T, typename Device>
void attention_grad_keys(Device& device, const DeviceAttentionGrad<T>& g, T* dk, T* dv) {
  using Group = typename Device::Group;
  const AttentionBlock shape = attention_grad_block(device, g.forward, [](const AttentionBlock& b) {
    return 3 * (b.tiles.operand() + b.values.operand()) + 2 * b.tiles.scores();
  });
  const AttentionTiles tiles = shape.tiles, values = shape.values;
  const int64_t blocks = divided(g.forward.keys, tiles.rows);
  device.launch(
      blocks * g.forward.kv_heads, kAttentionLanes, shape.bytes, TIDEMARK_BODY(Group & group, int64_t index) {
        const DeviceAttention<T>& a = g.forward;
        const int64_t kv_head = index % a.kv_heads, key = index / a.kv_heads * tiles.rows;
        const int64_t per_group = a.heads / a.kv_heads;
        float* at = group.template shared<float>();
        float* const k = at;
        float* const v = at += tiles.operand();
        float* const q = at += values.operand();
        float* const d_o = at += tiles.operand();
        float* const dk_sum = at += values.operand();
        float* const dv_sum = at += tiles.operand();
        float* const scores = at += values.operand();
        float* const dscores = at += tiles.scores();
        const SeenKeys seen{reinterpret_cast<int32_t*>(at + tiles.scores()), tiles.rows};
        load_tile(group, tiles, a.k + kv_head * a.dim, a.k_columns(), key, a.keys, k);
        load_tile(group, values, a.v + kv_head * a.value_dim, a.v_columns(), key, a.keys, v);
        group.each(tiles.operand(), [&](int64_t i) { dk_sum[i] = 0; });
        group.each(values.operand(), [&](int64_t i) { dv_sum[i] = 0; });
        // Of the sequences that have a key here: from the first one's first query to the last one's last.
        const int64_t last_key = device::smaller(key + tiles.rows, a.keys) - 1;
        const int64_t last = a.cu_seqlens[device::sequence_at(a.cu_seqlens_k, a.entries, last_key) + 1];
        const int64_t first =
            a.causal ? key : a.cu_seqlens[device::sequence_at(a.cu_seqlens_k, a.entries, key)];
        for (int64_t head = kv_head * per_group; head < (kv_head + 1) * per_group; ++head)
          for (int64_t query = first; query < last; query += tiles.rows) {
            find_seen_keys(group, a, query, seen);
            load_tile(group, tiles, a.q + head * a.dim, a.q_columns(), query, a.tokens, q);
            load_tile(group, values, g.d_o + head * a.value_dim, a.o_columns(), query, a.tokens, d_o);
            multiply_rows(group, tiles, q, k, a.scale, scores);
            multiply_rows(group, values, d_o, v, 1, dscores);
            differentiate_tile(group, tiles, g, head, query, key, seen, scores, dscores);
            add_product<true>(group, values, scores, d_o, 1, dv_sum);
            add_product<true>(group, tiles, dscores, q, 1, dk_sum);
          }
        const auto one = [](int64_t) { return 1.0f; };
        store_tile(group, tiles, a.keys, a.k_columns(), key, dk_sum, one, dk + kv_head * a.dim);
        store_tile(group, values, a.keys, a.v_columns(), key, dv_sum, one, dv + kv_head * a.value_dim);
      });
}

/// A block of queries of one head at a time, over the keys that they see.
template <typename T, typename Device>
void attention_grad_queries(Device& device, const DeviceAttentionGrad<T>& g, T* dq) {
  using Group = typename Device::Group;
  const AttentionBlock shape = attention_grad_block(device, g.forward, [](const AttentionBlock& b) {
    return 3 * b.tiles.operand() + 2 * b.values.operand() + 2 * b.tiles.scores();
  });
  const AttentionTiles tiles = shape.tiles, values = shape.values;
  const int64_t blocks = divided(g.forward.tokens, tiles.rows);
  device.launch(
      blocks * g.forward.heads, kAttentionLanes, shape.bytes, TIDEMARK_BODY(Group & group, int64_t index) {
        const DeviceAttention<T>& a = g.forward;
        const int64_t head = index % a.heads, query = (blocks - 1 - index / a.heads) * tiles.rows;
        float* at = group.template shared<float>();
        float* const k = at;
        float* const v = at += tiles.operand();
        float* const q = at += values.operand();
        float* const d_o = at += tiles.operand();
        float* const dq_sum = at += values.operand();
        float* const scores = at += tiles.operand();
        float* const dscores = at += tiles.scores();
        const SeenKeys seen{reinterpret_cast<int32_t*>(at + tiles.scores()), tiles.rows};
        find_seen_keys(group, a, query, seen);
        load_tile(group, tiles, a.q + head * a.dim, a.q_columns(), query, a.tokens, q);
        load_tile(group, values, g.d_o + head * a.value_dim, a.o_columns(), query, a.tokens, d_o);
        group.each(tiles.operand(), [&](int64_t i) { dq_sum[i] = 0; });
        const int64_t keys_end = seen.end_of_all(a, query);
        const int64_t kv_head = a.kv_head(head);
        for (int64_t key = seen.begin[0]; key < keys_end; key += tiles.rows) {
          load_tile(group, tiles, a.k + kv_head * a.dim, a.k_columns(), key, a.keys, k);
          load_tile(group, values, a.v + kv_head * a.value_dim, a.v_columns(), key, a.keys, v);
          multiply_rows(group, tiles, q, k, a.scale, scores);
          multiply_rows(group, values, d_o, v, 1, dscores);
          differentiate_tile(group, tiles, g, head, query, key, seen, scores, dscores);
          add_product<false>(group, tiles, dscores, k, 1, dq_sum);
        }
        const auto one = [](int64_t) { return 1.0f; };
        store_tile(group, tiles, a.tokens, a.q_columns(), query, dq_sum, one, dq + head * a.dim);
      });
}

template <typename T, typename Device>
void attention_grad_typed(const KernelArgs& args, Device& device) {
  DeviceAttentionGrad<T> g;
  g.forward = device_attention<T>(args, 1, 6);
  g.d_o = args.in<T>(0);
  g.lse = args.in<float>(5);
  auto* const delta = static_cast<float*>(args.workspace);
  g.delta = delta;
  const T* const o = args.in<T>(4);
  const T* const d_o = g.d_o;
  if constexpr (std::is_same_v<T, Bf16>)
    if (on_tensor_cores(g.forward)) {
      attention_delta(device, g.forward, o, d_o, delta);
      return attention_grad_on_tensor_cores(device, g, args.out<T>(0), args.out<T>(1), args.out<T>(2));
    }
  const int64_t tokens = g.forward.tokens, heads = g.forward.heads, dim = g.forward.value_dim;
  device.each(
      tokens * heads, TIDEMARK_BODY(int64_t i) {
        float sum = 0;
        for (int64_t d = i * dim; d < (i + 1) * dim; ++d)
          sum = fmaf(device::to_float(o[d]), device::to_float(d_o[d]), sum);
        delta[i % heads * tokens + i / heads] = sum;
      });
  attention_grad_keys(device, g, args.out<T>(1), args.out<T>(2));
  attention_grad_queries(device, g, args.out<T>(0));
}

template <typename Device>
void attention_grad_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(1), attention_grad_typed, args, device);
}

}  // namespace tidemark::ops
