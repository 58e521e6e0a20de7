// The gradient of Mamba-2's scan on tensor cores. The gradients of the states after chunks come first, in one
// scan; from there, dB, dC and what the decays receive are each chunk's own, and dx is another scan.
#pragma once

#include "executor/ops/ssd_grad_warp.h"
#include "executor/ops/ssd_scan_grad_device_rows.h"

namespace tidemark::ops {

/// What the gradient on tensor cores keeps in the workspace behind DeviceSsd's, as SsdGradSpace has it.
struct SsdWarpGradients {
  float *read, *written;  ///< [rows, heads], as the next: SsdGroupProducts' dots of dC and of dB
  float *itself, *of_states;
  float *db, *dc;                      ///< [sets, rows, groups * states]
  float* states;                       ///< their gradients, [chunks, heads, states, columns]
  float *through, *of_a, *of_dt_bias;  ///< [chunks, heads]
  float* of_d;

  SsdWarpGradients(const cuda::SsdGradSpace& space, float* at) {
    const auto take = [&at](int64_t floats) {
      float* const taken = at;
      at += floats;
      return taken;
    };
    for (float** of : {&read, &written, &itself, &of_states}) *of = take(space.row_heads);
    for (float** of : {&db, &dc}) *of = take(space.sets * space.matrix);
    states = take(space.states);
    for (float** of : {&through, &of_a, &of_dt_bias}) *of = take(space.chunk_heads);
    of_d = take(space.of_d);
  }
};

/// What the decays of a whole chunk receive of the state before it and the gradient of the one after it.
template <typename Device>
void ssd_through(Device& device, const OuterShape& shape, const DeviceSsd<Bf16>& s, const float* states,
                 const SsdWarpGradients& g) {
  using Group = typename Device::Group;
  const int64_t chunks = divided(s.rows, s.chunk_rows), floats = s.states * s.columns;
  device.launch(
      chunks * s.heads, kRowLanes, 0, TIDEMARK_BODY(Group & group, int64_t index) {
        const int64_t begin = index / s.heads * s.chunk_rows;
        const int64_t end = device::smaller(begin + s.chunk_rows, s.rows);
        const int64_t sequence = device::sequence_at(shape.cu_seqlens, shape.sequences + 1, begin);
        float through = 0;
        if (shape.cu_seqlens[sequence] < begin && shape.cu_seqlens[sequence + 1] > end)
          through = group.template sum<float>(
              floats, [&](int64_t i) { return states[index * floats + i] * g.states[index * floats + i]; });
        group.each(1, [&](int64_t) {
          g.through[index] = through * exp2f(s.decay[(end - 1) * s.heads + index % s.heads]);
        });
      });
}

/// ddt, added to what is there, and each chunk's parts of the gradients of A_log and dt_bias. What a row's
/// decay receives is what later rows have of earlier ones: within the chunk, of the state before it, and
/// after the chunk.
template <typename Device>
void ssd_chunk_steps_back(Device& device, const OuterShape& shape, const DeviceSsd<Bf16>& s,
                          const SsdWarpGradients& g, Bf16* ddt) {
  device.each(
      divided(s.rows, s.chunk_rows) * s.heads, TIDEMARK_BODY(int64_t lane) {
        const int64_t head = lane % s.heads, begin = lane / s.heads * s.chunk_rows;
        const int64_t end = device::smaller(begin + s.chunk_rows, s.rows);
        int64_t sequence = device::sequence_at(shape.cu_seqlens, shape.sequences + 1, end - 1);
        const float a = s.a(head);
        double following = static_cast<double>(g.through[lane]), of_a = 0, of_dt_bias = 0;
        for (int64_t row = begin; row < end; ++row) {
          const int64_t at = row * s.heads + head;
          following += static_cast<double>(s.delta[at] * g.of_states[at]);
        }
        for (int64_t row = end; row-- > begin;) {
          const int64_t at = row * s.heads + head;
          const float delta = s.delta[at], of_states = g.of_states[at];
          following += static_cast<double>(g.read[at] - delta * g.written[at]);
          following -= static_cast<double>(delta * of_states);
          // Into its first row a sequence carries nothing that could decay.
          const bool begins = row == shape.cu_seqlens[sequence];
          const float exponent = begins ? 0.0f : static_cast<float>(following);
          if (begins) {
            following = 0;
            while (sequence > 0 && shape.cu_seqlens[sequence] == row) --sequence;
          }
          const float written = g.itself[at] + g.written[at] + of_states;
          const float dstep = ssd_step_back(s, row, head, fmaf(exponent, a, written), ddt);
          of_a += static_cast<double>(exponent * delta);
          of_dt_bias += static_cast<double>(dstep);
        }
        g.of_a[lane] = static_cast<float>(of_a) * a;  // dA/dA_log = A
        g.of_dt_bias[lane] = static_cast<float>(of_dt_bias);
      });
}

template <typename Device>
void ssd_scan_grad_on_tensor_cores(const KernelArgs& args, Device& device, const DeviceSsd<Bf16>& s,
                                   const OuterShape& shape) {
  set_exponents(device, s, shape);
  const cuda::SsdGradSpace space = cuda::ssd_grad_space(args.op);
  const SsdWarpGradients g(space, s.decay + space.row_heads);
  const Bf16* const dy = args.in<Bf16>(0);
  const float* const states = args.in<float>(6);
  const SsdOperands of(s);
  HeadOperand of_y = of.x;
  of_y.data = dy;
  of_y.stride = static_cast<int>(s.heads * s.columns);

  OuterProducts p = ssd_products(s, shape);
  p.left = of.c;
  p.right = of_y;
  p.states = g.states;
  const int64_t of_chunk = s.saved(1, 0, 0, 0);
  device.zero(g.states + space.states - of_chunk, 4 * of_chunk);  // after the last chunk
  outer_products<true>(device, p);

  SsdGroupProducts q;
  q.sequences = p.sequences;
  q.rows = p.rows;
  q.heads = p.heads;
  q.group_heads = static_cast<int>(s.group_heads());
  q.chunk_rows = p.chunk_rows;
  q.sets = static_cast<int>(space.sets);
  q.set_heads = static_cast<int>(space.set_heads);
  q.cu_seqlens = p.cu_seqlens;
  q.own = of_y;
  q.other = of.x;
  q.own_matrix = of.c;
  q.other_matrix = of.b;
  q.delta = s.delta;
  q.exponents = s.decay;
  q.states = states;
  q.out = g.dc;
  q.dots = g.read;
  ssd_group_products<false>(device, q);
  std::swap(q.own, q.other);
  std::swap(q.own_matrix, q.other_matrix);
  q.states = g.states;
  q.out = g.db;
  q.dots = g.written;
  q.itself = g.itself;
  q.of_states = g.of_states;
  ssd_group_products<true>(device, q);

  ssd_of_d(device, s, dy, g.of_d);
  ssd_through(device, shape, s, states, g);
  ssd_chunk_steps_back(device, shape, s, g, args.out<Bf16>(1) + args.op.attributes().integer("first_column"));
  p.query = of.b;
  p.out_of.of = s.delta;
  p.keeps = s.d;
  p.out = args.out<Bf16>(0);
  p.out_stride = static_cast<int>(s.stride);
  p.states = nullptr;
  outer_products<true>(device, p);
  ssd_store_group(device, s, g.db, g.dc, space.sets, space.matrix, args.out<Bf16>(0));
  ssd_sum_up(args, device, s, g.of_a, g.of_d, g.of_dt_bias, divided(s.rows, s.chunk_rows));
}

}  // namespace tidemark::ops
