// Products of rows grouped by expert. Which rows a block has follows from the offsets in device memory: the
// launch is as large as any routing can need, and what is too much of it returns at once.
#pragma once

#include "base/divided.h"
#include "executor/device/piece.h"
#include "executor/ops/device_operands.h"
#include "executor/ops/grouped_linear_warp.h"
#include "graph/cuda_workspace.h"

namespace tidemark::ops {

/// Rows and columns of a block's product, and how far along the sum it goes at a time.
inline constexpr int64_t kGroupedTile = 64, kGroupedStep = 32;
/// Rows and columns that a lane makes.
inline constexpr int64_t kGroupedMicro = 4;

/// A block's shared memory: of the operands [tile, step], odd strides against bank conflicts; the sums.
struct GroupedTile {
  static constexpr int64_t kLd = kGroupedStep + 1, kSumsLd = kGroupedTile + 1;
  static constexpr int64_t kFloats = 2 * kGroupedTile * kLd + kGroupedTile * kSumsLd;
  float *a, *b, *sums;

  TIDEMARK_DEVICE explicit GroupedTile(float* at)
      : a(at), b(a + kGroupedTile * kLd), sums(b + kGroupedTile * kLd) {}
};

/// to[row, l] = element(row, first + l), zero from k on. `along`: neighbours in memory have neighbouring l.
template <typename Group, typename Element>
TIDEMARK_DEVICE void load_step(Group& group, bool along, int64_t first, int64_t k, const Element& element,
                               float* to) {
  group.each(kGroupedTile * kGroupedStep, [&](int64_t i) {
    const int64_t row = along ? i / kGroupedStep : i % kGroupedTile;
    const int64_t l = along ? i % kGroupedStep : i / kGroupedTile;
    to[row * GroupedTile::kLd + l] = first + l < k ? element(row, first + l) : 0.0f;
  });
}

/// sums[i, j] = the sum over l < k of a(i, l) b(j, l).
template <typename Group, typename A, typename B>
TIDEMARK_DEVICE void multiply_tile(Group& group, const GroupedTile& tile, int64_t k, bool a_along, const A& a,
                                   bool b_along, const B& b) {
  constexpr int64_t kAcross = kGroupedTile / kGroupedMicro;
  group.each(kGroupedTile * GroupedTile::kSumsLd, [&](int64_t i) { tile.sums[i] = 0; });
  for (int64_t first = 0; first < k; first += kGroupedStep) {
    load_step(group, a_along, first, k, a, tile.a);
    load_step(group, b_along, first, k, b, tile.b);
    group.each(kAcross * kAcross, [&](int64_t task) {
      // Rows and columns lie kAcross apart, so that neighbouring lanes read neighbouring rows.
      const int64_t i0 = task / kAcross, j0 = task % kAcross;
      float sum[kGroupedMicro][kGroupedMicro] = {};
      for (int64_t l = 0; l < kGroupedStep; ++l) {
        float x[kGroupedMicro], y[kGroupedMicro];
        for (int64_t i = 0; i < kGroupedMicro; ++i) x[i] = tile.a[(i0 + i * kAcross) * GroupedTile::kLd + l];
        for (int64_t j = 0; j < kGroupedMicro; ++j) y[j] = tile.b[(j0 + j * kAcross) * GroupedTile::kLd + l];
        for (int64_t i = 0; i < kGroupedMicro; ++i)
          for (int64_t j = 0; j < kGroupedMicro; ++j) sum[i][j] = fmaf(x[i], y[j], sum[i][j]);
      }
      for (int64_t i = 0; i < kGroupedMicro; ++i)
        for (int64_t j = 0; j < kGroupedMicro; ++j)
          tile.sums[(i0 + i * kAcross) * GroupedTile::kSumsLd + j0 + j * kAcross] += sum[i][j];
    });
  }
}

/// Whether tensor cores multiply: bf16 in rows of whole chunks, which lie 16 bytes aligned. `columns`: of all
/// matrices.
template <typename T>
bool grouped_on_tensor_cores(int64_t columns, int64_t other_columns) {
  return std::is_same_v<T, Bf16> && columns % device::kChunk == 0 && other_columns % device::kChunk == 0;
}

template <typename T, typename Device>
void grouped_product(Device& device, const GroupedProduct<T>& product) {
  using Group = typename Device::Group;
  if constexpr (std::is_same_v<T, Bf16>)
    if (grouped_on_tensor_cores<T>(product.k, product.columns))
      return grouped_product_on_tensor_cores(device, product);
  const int64_t across = divided(product.columns, kGroupedTile);
  const int64_t blocks = product.slots / kGroupedTile + product.experts;
  device.launch(
      blocks * across, kRowLanes, 4 * GroupedTile::kFloats + 16, TIDEMARK_BODY(Group & group, int64_t index) {
        const GroupedProduct<T>& p = product;
        const GroupedTile tile(group.template shared<float>());
        // The expert, the first row and the one past the last.
        auto* const found = reinterpret_cast<int32_t*>(group.template shared<float>() + GroupedTile::kFloats);
        group.each(
            1, [&](int64_t) { find_expert_rows<kGroupedTile>(p.offsets, p.experts, index / across, found); });
        if (found[0] < 0) return;
        const int64_t first = found[1], rows = found[2] - found[1], column = index % across * kGroupedTile;
        const T* const weight = p.weight + found[0] * p.columns * p.k;
        multiply_tile(
            group, tile, p.k, true,
            [&](int64_t i, int64_t l) {
              if (i >= rows) return 0.0f;
              const int64_t row = p.gathers ? p.order[first + i] / p.top_k : first + i;
              return device::to_float(p.x[row * p.k + l]);
            },
            p.weight_transposed,
            [&](int64_t j, int64_t l) {
              if (column + j >= p.columns) return 0.0f;
              return device::to_float(
                  weight[p.weight_transposed ? (column + j) * p.k + l : l * p.columns + column + j]);
            });
        group.each(rows * kGroupedTile, [&](int64_t at) {
          const int64_t i = at / kGroupedTile, j = at % kGroupedTile;
          if (column + j >= p.columns) return;
          const int64_t to = (first + i) * p.columns + column + j;
          const float start = p.start ? device::to_float(p.start[to]) : 0.0f;
          device::store(p.y + to, start + tile.sums[i * GroupedTile::kSumsLd + j]);
        });
      });
}

/// y[token] = start[token] (where given) + the products of its slots, kPiece columns at a time.
template <int kPiece, typename T, typename Device>
void add_slots(Device& device, const GroupedProduct<T>& p, const T* products, const int32_t* places,
               const T* start, T* y) {
  const int64_t columns = p.columns, across = columns / kPiece, top_k = p.top_k;
  device.each(
      p.slots / top_k * across, TIDEMARK_BODY(int64_t i) {
        const int64_t token = i / across, column = i % across * kPiece;
        float totals[kPiece] = {};
        if (start) device::load_piece<kPiece>(start + i * kPiece).to_floats(totals);
        for (int64_t slot = token * top_k; slot < (token + 1) * top_k; ++slot) {
          float product[kPiece];
          device::load_piece<kPiece>(products + places[slot] * columns + column).to_floats(product);
          TIDEMARK_UNROLL
          for (int e = 0; e < kPiece; ++e) totals[e] += product[e];
        }
        device::store_piece(y + i * kPiece, totals);
      });
}

/// The product of the slots in scratch memory, and its sum over each token's slots, in the order of its
/// choices.
template <typename T, typename Device>
void combined_product(Device& device, GroupedProduct<T> p, void* workspace) {
  auto* const places = static_cast<int32_t*>(workspace);  // of the slots
  T* const products = reinterpret_cast<T*>(static_cast<char*>(workspace) + cuda::rounded(4 * p.slots));
  const T* const start = p.start;
  T* const y = p.y;
  const int32_t* const order = p.order;
  p.start = nullptr;
  p.y = products;
  grouped_product(device, p);
  device.each(
      p.slots, TIDEMARK_BODY(int64_t i) { places[order[i]] = static_cast<int32_t>(i); });
  constexpr int kPiece = 16 / sizeof(T);
  if (device::holds_pieces<kPiece>(y, p.columns) && device::holds_pieces<kPiece>(products, p.columns) &&
      (!start || device::holds_pieces<kPiece>(start, p.columns)))
    add_slots<kPiece>(device, p, products, places, start, y);
  else
    add_slots<1>(device, p, products, places, start, y);
}

/// Of grouped_linear and its input's gradient, which multiplies by what the weight is not transposed to.
template <typename T, typename Device>
void grouped_rows(const KernelArgs& args, Device& device, bool is_gradient) {
  const Shape& weight = args.op.in(1).shape;
  GroupedProduct<T> p;
  p.x = args.in<T>(0);
  p.weight = args.in<T>(1);
  p.start = args.op.has_in(4) ? args.in<T>(4) : nullptr;
  p.y = args.out<T>(0);
  p.columns = weight[is_gradient ? 2 : 1];
  p.k = weight[is_gradient ? 1 : 2];
  p.slots = args.op.in(2).shape[0];
  p.experts = weight[0];
  p.top_k = args.op.attributes().integer("top_k");
  p.weight_transposed = !is_gradient;
  p.gathers = args.op.attributes().flag("combine") == is_gradient;
  p.order = args.in<int32_t>(2);
  p.offsets = args.in<int32_t>(3);
  p.gathers ? grouped_product(device, p) : combined_product(device, p, args.workspace);
}

template <typename T, typename Device>
void grouped_linear_typed(const KernelArgs& args, Device& device) {
  grouped_rows<T>(args, device, false);
}
template <typename T, typename Device>
void grouped_linear_grad_input_typed(const KernelArgs& args, Device& device) {
  grouped_rows<T>(args, device, true);
}

template <typename T, typename Device>
void grouped_linear_grad_weight_typed(const KernelArgs& args, Device& device) {
  using Group = typename Device::Group;
  const Shape& weight = args.op.out(0).shape;
  GroupedWeightGrad<T> product;
  product.dy = args.in<T>(0);
  product.x = args.in<T>(1);
  product.dweight = args.out<T>(0);
  product.outputs = weight[1];
  product.inputs = weight[2];
  product.experts = weight[0];
  product.top_k = args.op.attributes().integer("top_k");
  product.gathers_dy = args.op.attributes().flag("combine");
  product.adds = args.op.has_in(4);
  product.order = args.in<int32_t>(2);
  product.offsets = args.in<int32_t>(3);
  if constexpr (std::is_same_v<T, Bf16>)
    if (grouped_on_tensor_cores<T>(product.outputs, product.inputs))
      return grouped_weight_on_tensor_cores(device, product);
  const int64_t down = divided(product.outputs, kGroupedTile);
  const int64_t across = divided(product.inputs, kGroupedTile);
  device.launch(
      product.experts * down * across, kRowLanes, 4 * GroupedTile::kFloats,
      TIDEMARK_BODY(Group & group, int64_t index) {
        const GroupedWeightGrad<T>& p = product;
        const GroupedTile tile(group.template shared<float>());
        const int64_t expert = index / (down * across), first = p.offsets[expert];
        const int64_t row = index / across % down * kGroupedTile, column = index % across * kGroupedTile;
        const auto token = [&](int64_t l) { return p.order[first + l] / p.top_k; };
        multiply_tile(
            group, tile, p.offsets[expert + 1] - first, false,
            [&](int64_t i, int64_t l) {
              if (row + i >= p.outputs) return 0.0f;
              return device::to_float(p.dy[(p.gathers_dy ? token(l) : first + l) * p.outputs + row + i]);
            },
            false,
            [&](int64_t j, int64_t l) {
              if (column + j >= p.inputs) return 0.0f;
              return device::to_float(p.x[(p.gathers_dy ? first + l : token(l)) * p.inputs + column + j]);
            });
        group.each(kGroupedTile * kGroupedTile, [&](int64_t at) {
          const int64_t i = at / kGroupedTile, j = at % kGroupedTile;
          if (row + i >= p.outputs || column + j >= p.inputs) return;
          T* const to = p.dweight + (expert * p.outputs + row + i) * p.inputs + column + j;
          const float start = p.adds ? device::to_float(*to) : 0.0f;
          device::store(to, start + tile.sums[i * GroupedTile::kSumsLd + j]);
        });
      });
}

template <typename Device>
void grouped_linear_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(0), grouped_linear_typed, args, device);
}
template <typename Device>
void grouped_linear_grad_input_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(0), grouped_linear_grad_input_typed, args, device);
}
template <typename Device>
void grouped_linear_grad_weight_device(const KernelArgs& args, Device& device) {
  TIDEMARK_TYPED(args.op.in(0), grouped_linear_grad_weight_typed, args, device);
}

}  // namespace tidemark::ops
