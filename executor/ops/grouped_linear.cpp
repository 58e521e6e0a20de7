#include <cstring>

#include "base/divided.h"
#include "executor/cpu/gemm.h"
#include "executor/ops/all.h"
#include "executor/ops/grouped_linear.h"
#include "executor/ops/operands.h"
#include "graph/cpu_workspace.h"

namespace tidemark::ops {
namespace {

using cpu::kGroupedColumns;
using cpu::kGroupedRows;

/// The slots' and the tokens' side of a product, and what both need.
struct Grouped {
  const KernelArgs& args;
  int64_t slots, top_k, experts;
  const int32_t* offsets;
  cpu::GroupedSpace space;
  int32_t* tokens;  ///< of the slots, in their order

  Grouped(const KernelArgs& kernel, int64_t columns, int64_t k, bool sums)
      : args(kernel),
        slots(kernel.op.in(2).shape[0]),
        top_k(kernel.op.attributes().integer("top_k")),
        experts(kernel.op.in(3).shape[0] - 1),
        offsets(kernel.in<int32_t>(3)),
        space(cpu::grouped_space(slots, slots / top_k, columns, k, kernel.op.out(0).dtype, sums)),
        tokens(static_cast<int32_t*>(kernel.workspace)) {
    const int32_t* const order = kernel.in<int32_t>(2);
    for (int64_t p = 0; p < slots; ++p) tokens[p] = static_cast<int32_t>(order[p] / top_k);
  }
  int64_t rows(int64_t expert) const { return offsets[expert + 1] - offsets[expert]; }
  float* sums() const {
    return reinterpret_cast<float*>(static_cast<char*>(args.workspace) + space.tokens_bytes);
  }
  float* scratch(int thread) const { return sums() + (space.sums_bytes + thread * space.thread_bytes) / 4; }
};

/// y[rows, columns] of x[rows, k] and of each expert weight[columns, k], or [k, columns].
struct Product {
  const void *x, *weight, *start;
  void* y;
  int64_t columns, k;
  bool weight_transposed, bf16;

  int64_t item() const { return bf16 ? 2 : 4; }
  const char* weight_of(int64_t expert, int64_t column) const {
    return static_cast<const char*>(weight) +
           (expert * columns * k + column * (weight_transposed ? k : 1)) * item();
  }
  /// Of one expert from a column on; rows, and where they and the product lie, are the caller's.
  cpu::Gemm of(int64_t expert, int64_t column, int64_t width) const {
    cpu::Gemm g;
    g.n = width;
    g.k = k;
    g.lda = k;
    g.b = weight_of(expert, column);
    g.ldb = weight_transposed ? k : columns;
    g.b_transposed = weight_transposed;
    g.a_bf16 = g.b_bf16 = bf16;
    return g;
  }
};

char* offset(void* at, int64_t bytes) {
  return static_cast<char*>(at) + bytes;
}
const char* offset(const void* at, int64_t bytes) {
  return static_cast<const char*>(at) + bytes;
}

/// Tokens in, slots out.
void gather(const Grouped& grouped, const Product& p) {
  const cpu::GemmTile tile = cpu::gemm_tile_kernel();
  const int64_t across = divided(p.columns, kGroupedColumns);
  // At most so many blocks of rows: that of an expert without rows has nothing to do.
  const int64_t blocks = grouped.slots / kGroupedRows + grouped.experts;
  grouped.args.pool->parallel_for(blocks * across, [&](int64_t task, int thread) {
    int64_t block = task / across, expert = 0;
    while (expert < grouped.experts && block >= divided(grouped.rows(expert), kGroupedRows))
      block -= divided(grouped.rows(expert++), kGroupedRows);
    if (expert == grouped.experts) return;
    const int64_t column = task % across * kGroupedColumns, first = grouped.offsets[expert];
    cpu::Gemm g = p.of(expert, column, std::min(kGroupedColumns, p.columns - column));
    g.m = grouped.rows(expert);
    g.a = p.x;
    g.a_rows = grouped.tokens + first;
    const int64_t at = (first * p.columns + column) * p.item();
    g.c = offset(p.y, at);
    g.ldc = g.ld_start = p.columns;
    g.c_bf16 = p.bf16;
    if (p.start) g.start = offset(p.start, at);
    tile(g, block * kGroupedRows, std::min(g.m, (block + 1) * kGroupedRows), 0, g.n,
         cpu::grouped_k_block(p.k), true, grouped.scratch(thread));
  });
}

/// Slots in, and the sums over each token's slots out: a task has some columns of all tokens, and adds to
/// them one expert after the other.
void combine(const Grouped& grouped, const Product& p) {
  const cpu::GemmTile tile = cpu::gemm_tile_kernel();
  const auto begin = TIDEMARK_SIMD(begin_sums);
  const auto add = TIDEMARK_SIMD(add_to_sums);
  const auto end = TIDEMARK_SIMD(end_sums);
  const int64_t n_tokens = grouped.slots / grouped.top_k;
  const int64_t panels = divided(p.columns, cpu::kPanelColumns);
  const int64_t wanted = std::min<int64_t>(panels, 4 * grouped.args.pool->threads());
  const int64_t across = std::max(divided(p.columns, kGroupedColumns), wanted);
  const auto column_of = [&](int64_t i) {
    return std::min(p.columns, panels * i / across * cpu::kPanelColumns);
  };
  grouped.args.pool->parallel_for(across, [&](int64_t task, int thread) {
    const int64_t column = column_of(task), width = column_of(task + 1) - column;
    float* const product = grouped.scratch(thread);
    float* const scratch = product + kGroupedRows * width;
    const TokenSums sums{p.bf16,
                         n_tokens,
                         width,
                         p.columns,
                         p.start ? offset(p.start, column * p.item()) : nullptr,
                         offset(p.y, column * p.item()),
                         p.bf16 ? grouped.sums() + column : reinterpret_cast<float*>(p.y) + column};
    begin(sums);
    for (int64_t expert = 0; expert < grouped.experts; ++expert)
      for (int64_t row = grouped.offsets[expert]; row < grouped.offsets[expert + 1]; row += kGroupedRows) {
        cpu::Gemm g = p.of(expert, column, width);
        g.m = std::min<int64_t>(kGroupedRows, grouped.offsets[expert + 1] - row);
        g.a = offset(p.x, row * p.k * p.item());
        g.c = product;
        g.ldc = width;
        tile(g, 0, g.m, 0, width, cpu::grouped_k_block(p.k), cpu::gemm_copies_a(p.bf16, false, p.k), scratch);
        add(sums, product, grouped.tokens + row, g.m);
      }
    end(sums);
  });
}

/// Of grouped_linear and its input's gradient, which multiplies by what the weight is not transposed to.
void grouped_rows(const KernelArgs& args, bool is_gradient) {
  const Shape& weight = args.op.in(1).shape;
  const int64_t columns = weight[is_gradient ? 2 : 1], k = weight[is_gradient ? 1 : 2];
  const bool sums = args.op.attributes().flag("combine") != is_gradient;
  const Grouped grouped(args, columns, k, sums);
  const Product p{args.inputs[0],
                  args.inputs[1],
                  args.op.has_in(4) ? args.inputs[4] : nullptr,
                  args.outputs[0],
                  columns,
                  k,
                  !is_gradient,
                  is_bf16(args.op.in(0))};
  sums ? combine(grouped, p) : gather(grouped, p);
}

}  // namespace

void grouped_linear_cpu(const KernelArgs& args) {
  grouped_rows(args, false);
}

void grouped_linear_grad_input_cpu(const KernelArgs& args) {
  grouped_rows(args, true);
}

void grouped_linear_grad_weight_cpu(const KernelArgs& args) {
  const Shape& weight = args.op.out(0).shape;
  const int64_t outputs = weight[1], inputs = weight[2];
  const Grouped grouped(args, inputs, args.op.in(2).shape[0], false);
  const bool bf16 = is_bf16(args.op.out(0)), gathers_dy = args.op.attributes().flag("combine");
  const int64_t item = bf16 ? 2 : 4;
  const cpu::GemmTile tile = cpu::gemm_tile_kernel();
  const int64_t down = divided(outputs, kGroupedRows), across = divided(inputs, kGroupedColumns);
  args.pool->parallel_for(grouped.experts * down * across, [&](int64_t task, int thread) {
    const int64_t expert = task / (down * across), first = grouped.offsets[expert];
    const int64_t row = task / across % down * kGroupedRows, column = task % across * kGroupedColumns;
    cpu::Gemm g;
    g.m = outputs;
    g.n = inputs;
    g.k = grouped.rows(expert);
    g.a_transposed = true;
    g.lda = outputs;
    g.ldb = inputs;
    g.a_bf16 = g.b_bf16 = g.c_bf16 = bf16;
    g.a = gathers_dy ? args.inputs[0] : offset(args.inputs[0], first * outputs * item);
    g.b = gathers_dy ? offset(args.inputs[1], first * inputs * item) : args.inputs[1];
    (gathers_dy ? g.a_rows : g.b_rows) = grouped.tokens + first;
    g.c = offset(args.outputs[0], expert * outputs * inputs * item);
    g.ldc = g.ld_start = inputs;
    if (args.op.has_in(4)) g.start = g.c;
    const int64_t row_end = std::min(outputs, row + kGroupedRows);
    const int64_t column_end = std::min(inputs, column + kGroupedColumns);
    if (g.k > 0) {
      tile(g, row, row_end, column, column_end, cpu::grouped_k_block(g.k), true, grouped.scratch(thread));
    } else if (!g.start) {  // nobody chose the expert
      for (int64_t i = row; i < row_end; ++i)
        std::memset(offset(g.c, (i * inputs + column) * item), 0,
                    static_cast<size_t>((column_end - column) * item));
    }
  });
}

}  // namespace tidemark::ops
