// dB and dC of Mamba-2's scan on tensor cores, and what the decays' gradients are made of. Between the states
// before and after a chunk its rows wait for nobody: a block has a window of a chunk's rows and goes through
// heads of a group, whose scores dy x^T it adds up before they meet B or C.
#pragma once

#include "executor/device/shared_memory.h"
#include "executor/ops/ssd_scan_device_rows.h"

namespace tidemark::ops {

struct SsdGroupProducts {
  int sequences = 0, rows = 0, heads = 0, group_heads = 0, chunk_rows = 0;
  int sets = 1, set_heads = 0;  ///< of a group's heads, whose sums are apart
  const int32_t* cu_seqlens = nullptr;
  /// dC's: dy and C of a block's rows, x and B of the others; dB's: the other way round.
  HeadOperand own, other, own_matrix, other_matrix;
  const float* delta = nullptr;      ///< [rows, heads], as the next
  const float* exponents = nullptr;  ///< of OuterProducts
  const float* states = nullptr;     ///< [chunks, heads, states, columns]: before chunks, or dB's: their
                                     ///< gradients after them
  float* out = nullptr;              ///< [sets, rows, groups * states]
  /// [rows, heads]: what a row reads of rows before it, y dy; or dB's: what rows behind it read of it, over
  /// its delta. What it reads of itself is apart, `itself`: no decay is between, and it may be so much more
  /// that rounding it would drown the rest. So are dB's `of_states`, what rows behind the chunk read.
  float* dots = nullptr;
  float *itself = nullptr, *of_states = nullptr;
};

/// kReverse: dB.
template <int kColumns, bool kReverse, bool kSmall>
struct SsdGroupWarps {
  static constexpr int kStates = cuda::kMostSsd;
  /// Of a block, and of the others that it meets at a time.
  static constexpr int kRows = 64, kOthers = kSmall ? 32 : 64;
  static constexpr int kWarps = 4, kBlocks = kColumns <= 64 ? 2 : 1;
  using Operands = device::SharedTile<kColumns>;
  using Matrices = device::SharedTile<kStates>;
  /// Per row: an exponent and a step of the block's and of the others; where sequences begin, and the block's
  /// end.
  static constexpr int kFactors = 2 * (kRows + kOthers);
  static constexpr int kHalf = 2 * Operands::elements(kRows + kOthers) + 4 * kFactors;
  static constexpr int kInLoop = 2 * kHalf + 2 * Matrices::elements(kOthers);
  static constexpr int kAfterLoop = kHalf + 2 * Operands::elements(kStates);
  static constexpr int kFront = kInLoop > kAfterLoop ? kInLoop : kAfterLoop;
  static constexpr int kShared = kFront + 2 * Matrices::elements(kRows) + 4 * (2 * kRows + kOthers);

  SsdGroupProducts s;
  int windows;  ///< of a chunk

  template <typename Warp>
  struct State {
    typename Warp::template Lanes<device::Sums> scores[1][kOthers / 8];   ///< of all heads
    typename Warp::template Lanes<device::Sums> weights[1][kOthers / 8];  ///< C B^T, or dB's: B C^T
    typename Warp::template Lanes<device::Sums> out[1][kStates / 8];
  };
  struct Half {
    Operands own, other;
    float *exponent, *other_exponent, *delta, *other_delta;

    TIDEMARK_DEVICE Half(unsigned char* shared, int half) {
      own.data = reinterpret_cast<Bf16*>(shared + half * kHalf);
      other.data = own.data + Operands::elements(kRows);
      exponent = reinterpret_cast<float*>(other.data + Operands::elements(kOthers));
      other_exponent = exponent + kRows;
      delta = other_exponent + kOthers;
      other_delta = delta + kRows;
    }
  };
  struct Block {
    int chunk, chunk_begin, chunk_end;
    int begin, rows;
    int set, first_head, last_head;
  };
  struct Shared {
    unsigned char* front;
    Matrices own_matrix, other_matrix;
    Operands state;
    int32_t *begins, *ends, *other_begins;

    TIDEMARK_DEVICE explicit Shared(unsigned char* at) : front(at) {
      other_matrix.data = reinterpret_cast<Bf16*>(at + 2 * kHalf);
      state.data = reinterpret_cast<Bf16*>(at + kHalf);
      own_matrix.data = reinterpret_cast<Bf16*>(at + kFront);
      begins = reinterpret_cast<int32_t*>(own_matrix.data + Matrices::elements(kRows));
      ends = begins + kRows;
      other_begins = ends + kRows;
    }
  };
  struct Factors {
    float exponent, delta;
  };

  template <typename Group>
  TIDEMARK_DEVICE void operator()(Group& group, int64_t index) const {
    using Warp = typename Group::Warp;
    const Block block = block_of(static_cast<int>(index));
    if (block.rows <= 0) return;
    const Shared shared(group.template shared<unsigned char>());
    typename Group::template Registers<State<Warp>, kWarps> registers;
    group.template warps<kWarps>([&](Warp& warp) {
      copy_matrix<kRows>(warp, s.own_matrix, block.first_head, block.begin, block.begin + block.rows,
                         shared.own_matrix);
      find_sequences<kRows>(warp, block.begin, block.rows, shared.begins, shared.ends);
      device::clear_sums(warp, registers[warp].out);
    });
    // Those that its rows take of, or that take of its rows.
    const int others_begin = kReverse ? block.begin : block.chunk_begin;
    const int others_end = kReverse ? block.chunk_end : block.begin + block.rows;
    for (int other = others_begin; other < others_end; other += kOthers) {
      const int other_rows = device::smaller(kOthers, block.chunk_end - other);
      group.template warps<kWarps>([&](Warp& warp) {
        copy_matrix<kOthers>(warp, s.other_matrix, block.first_head, other, other + other_rows,
                             shared.other_matrix);
        find_sequences<kOthers>(warp, other, other_rows, shared.other_begins, nullptr);
        copy(warp, block, block.first_head, other, other_rows, Half(shared.front, 0));
        device::clear_sums(warp, registers[warp].scores);
      });
      for (int head = block.first_head, half = 0; head < block.last_head; ++head, half = 1 - half)
        group.template warps<kWarps>([&](Warp& warp) {
          State<Warp>& state = registers[warp];
          if (head + 1 < block.last_head)
            copy(warp, block, head + 1, other, other_rows, Half(shared.front, 1 - half));
          if (head == block.first_head) {
            device::clear_sums(warp, state.weights);
            device::add_tiles<kStates, false, true>(warp, shared.own_matrix, 16 * warp.index(),
                                                    shared.other_matrix, 0, state.weights);
          }
          add_scores(warp, block, shared, Half(shared.front, half), head, other, state);
          if (head + 1 == block.last_head)
            device::add_product(warp, state.scores, shared.other_matrix, state.out);
        });
    }
    if (passes_state(block)) {
      for (int head = block.first_head; head < block.last_head; ++head) {
        group.template warps<kWarps>([&](Warp& warp) {
          copy(warp, block, head, block.begin, device::smaller(kOthers, block.rows), Half(shared.front, 0));
          load_state(warp, block, head, shared.state);
        });
        group.template warps<kWarps>([&](Warp& warp) {
          add_state(warp, block, shared, Half(shared.front, 0), head, registers[warp]);
        });
      }
    } else if (kReverse) {
      group.template warps<kWarps>([&](Warp& warp) { clear_of_states(warp, block); });
    }
    group.template warps<kWarps>([&](Warp& warp) {
      const int stride = s.heads / s.group_heads * s.own_matrix.columns;
      float* const to = s.out + int64_t{block.set} * s.rows * stride +
                        block.first_head / s.group_heads * s.own_matrix.columns;
      device::store_sums(
          warp, registers[warp].out, [](int, int, int) { return 1.0f; }, to, stride,
          block.begin + 16 * warp.index(), block.begin + block.rows, s.own_matrix.columns);
    });
  }

 private:
  TIDEMARK_DEVICE Block block_of(int index) const {
    const int groups = s.heads / s.group_heads, window = index / s.sets / groups;
    const int group = index / s.sets % groups;
    Block b;
    b.set = index % s.sets;
    b.chunk = window / windows;
    b.chunk_begin = b.chunk * s.chunk_rows;
    b.chunk_end = device::smaller(b.chunk_begin + s.chunk_rows, s.rows);
    b.begin = b.chunk_begin + window % windows * kRows;
    b.rows = device::smaller(kRows, b.chunk_end - b.begin);
    b.first_head = group * s.group_heads + b.set * s.set_heads;
    b.last_head = device::smaller(b.first_head + s.set_heads, (group + 1) * s.group_heads);
    return b;
  }
  TIDEMARK_DEVICE int sequence_of(int row) const {
    return static_cast<int>(device::sequence_at(s.cu_seqlens, s.sequences + 1, row));
  }
  /// Whether the chunk's state before, or dB's: after, has to do with some of the block's rows.
  TIDEMARK_DEVICE bool passes_state(const Block& block) const {
    if (kReverse) return s.cu_seqlens[sequence_of(block.begin + block.rows - 1) + 1] > block.chunk_end;
    return s.cu_seqlens[sequence_of(block.begin)] < block.chunk_begin;
  }

  template <int kCopied, typename Warp>
  TIDEMARK_DEVICE_INLINE void copy_matrix(Warp& warp, const HeadOperand& from, int head, int begin, int end,
                                          Matrices to) const {
    device::copy_each_row<kWarps, kCopied>(
        warp, [&](int i) { return begin + i < end ? from.at(begin + i, head) : nullptr; }, from.columns, to);
  }
  template <int kOf, typename Warp>
  TIDEMARK_DEVICE_INLINE void find_sequences(Warp& warp, int first, int rows, int32_t* begins,
                                             int32_t* ends) const {
    warp.each_lane([&](int lane) {
      const int i = warp.index() * (kOf / kWarps) + lane;
      if (lane >= kOf / kWarps) return;
      const int sequence = sequence_of(first + device::smaller(i, rows - 1));
      // Of rows that are not there, none is after.
      begins[i] = i < rows ? s.cu_seqlens[sequence] : INT32_MAX;
      if (ends) ends[i] = s.cu_seqlens[sequence + 1];
    });
  }
  /// A head's operands of the block's rows and of others. A warp's first lanes have factors of its own rows.
  template <typename Warp>
  TIDEMARK_DEVICE_INLINE void copy(Warp& warp, const Block& block, int head, int other, int other_rows,
                                   const Half& to) const {
    device::copy_each_row<kWarps, kRows>(
        warp, [&](int i) { return i < block.rows ? s.own.at(block.begin + i, head) : nullptr; },
        s.own.columns, to.own);
    device::copy_each_row<kWarps, kOthers>(
        warp, [&](int i) { return i < other_rows ? s.other.at(other + i, head) : nullptr; }, s.other.columns,
        to.other);
    warp.each_lane([&](int lane) {
      constexpr int kOwn = kRows / kWarps, kOther = kOthers / kWarps;
      const bool own = lane < kOwn;
      if (kOther < kOwn && lane >= kOwn + kOther) return;
      const int i = warp.index() * (own ? kOwn : kOther) + lane % kOwn;
      const int rows = own ? block.rows : other_rows;
      const int64_t at = int64_t{(own ? block.begin : other) + (i < rows ? i : 0)} * s.heads + head;
      warp.copy((own ? to.exponent : to.other_exponent) + i, s.exponents + at, i < rows);
      warp.copy((own ? to.delta : to.other_delta) + i, s.delta + at, i < rows);
    });
  }

  template <typename Warp>
  TIDEMARK_DEVICE_INLINE void add_scores(Warp& warp, const Block& block, const Shared& shared, const Half& of,
                                         int head, int other, State<Warp>& state) const {
    typename Warp::template Lanes<device::Sums> scores[1][kOthers / 8];
    device::multiply_rows(warp, of.own, 16 * warp.index(), of.other, scores);
    typename Warp::template Lanes<device::RowPair> dots;
    warp.each_lane([&](int lane) {
      TIDEMARK_UNROLL
      for (int half = 0; half < 2; ++half) {
        const int i = 16 * warp.index() + device::c_row(lane, 2 * half), row = block.begin + i;
        const float exponent = of.exponent[i], delta = kReverse ? of.delta[i] : 1.0f;
        float dot = 0;
        TIDEMARK_UNROLL
        for (int n = 0; n < kOthers / 8; ++n) TIDEMARK_UNROLL
        for (int k = 0; k < 2; ++k) {
          const int j = 8 * n + device::c_column(lane, k), column = other + j;
          // The later of both takes of the earlier one.
          const bool sees = kReverse ? column >= row && row >= shared.other_begins[j]
                                     : column <= row && column >= shared.begins[i];
          const float between = kReverse ? of.other_exponent[j] - exponent : exponent - of.other_exponent[j];
          const float decay = device::fast_exp2(sees ? between : -INFINITY);
          const float x = scores[0][n][lane].x[2 * half + k] * decay * (kReverse ? 1.0f : of.other_delta[j]);
          const float weight = state.weights[0][n][lane].x[2 * half + k];
          dot = fmaf(column != row ? x : 0.0f, weight, dot);
          if (kReverse && column == row && sees) s.itself[int64_t{row} * s.heads + head] = x * weight;
          float& sum = state.scores[0][n][lane].x[2 * half + k];
          sum = fmaf(x, delta, sum);
        }
        dots[lane].x[half] = dot;
      }
    });
    add_dots(warp, block, head, other == (kReverse ? block.begin : block.chunk_begin), dots, s.dots);
  }
  /// Of the four lanes of a row, to memory.
  template <typename Warp>
  TIDEMARK_DEVICE_INLINE void add_dots(Warp& warp, const Block& block, int head, bool first,
                                       typename Warp::template Lanes<device::RowPair>& dots,
                                       float* to) const {
    warp.each_quad(dots, [](float x, float y) { return x + y; });
    warp.each_lane([&](int lane) {
      TIDEMARK_UNROLL
      for (int half = 0; half < 2; ++half) {
        const int i = 16 * warp.index() + device::c_row(lane, 2 * half);
        if (lane % 4 != 0 || i >= block.rows) continue;
        float& sum = to[int64_t{block.begin + i} * s.heads + head];
        sum = first ? dots[lane].x[half] : sum + dots[lane].x[half];
      }
    });
  }

  /// [states, columns], rounded.
  template <typename Warp>
  TIDEMARK_DEVICE_INLINE void load_state(Warp& warp, const Block& block, int head, Operands to) const {
    const int states = s.own_matrix.columns, columns = s.own.columns;
    const float* const from = s.states + (int64_t{block.chunk} * s.heads + head) * states * columns;
    warp.each_lane([&](int lane) {
      for (int i = warp.index() * device::kWarpLanes + lane; i < kStates * kColumns / 2;
           i += kWarps * device::kWarpLanes) {
        const int state = i / (kColumns / 2), column = i % (kColumns / 2) * 2;
        const bool there = state < states && column < columns;
        const float* const at = from + state * columns + column;
        Warp::store(to.at(state, column), there ? at[0] : 0.0f, there ? at[1] : 0.0f);
      }
    });
  }
  template <typename Warp>
  TIDEMARK_DEVICE_INLINE void add_state(Warp& warp, const Block& block, const Shared& shared, const Half& of,
                                        int head, State<Warp>& state) const {
    const float total = s.exponents[int64_t{block.chunk_end - 1} * s.heads + head];
    typename Warp::template Lanes<device::RowPair> dots;
    warp.each_lane([&](int lane) { dots[lane] = {0, 0}; });
    constexpr int kAcross = 64;  // as registers last
    TIDEMARK_UNROLL
    for (int first = 0; first < kStates; first += kAcross) {
      typename Warp::template Lanes<device::Sums> part[1][kAcross / 8];
      device::clear_sums(warp, part);
      device::add_tiles<kColumns, false, true>(warp, of.own, 16 * warp.index(), shared.state, first, part);
      warp.each_lane([&](int lane) {
        TIDEMARK_UNROLL
        for (int half = 0; half < 2; ++half) {
          const int i = 16 * warp.index() + device::c_row(lane, 2 * half);
          const bool passes =
              kReverse ? shared.ends[i] > block.chunk_end : shared.begins[i] < block.chunk_begin;
          const float exponent = kReverse ? total - of.exponent[i] : of.exponent[i];
          const float decay = device::fast_exp2(passes ? exponent : -INFINITY);
          const float delta = kReverse ? of.delta[i] : 1.0f;
          TIDEMARK_UNROLL
          for (int n = 0; n < kAcross / 8; ++n) TIDEMARK_UNROLL
          for (int k = 0; k < 2; ++k) {
            const float x = decay * part[0][n][lane].x[2 * half + k];
            const float weight =
                device::to_float(*shared.own_matrix.at(i, first + 8 * n + device::c_column(lane, k)));
            dots[lane].x[half] = fmaf(x, weight, dots[lane].x[half]);
            float& sum = state.out[0][first / 8 + n][lane].x[2 * half + k];
            sum = fmaf(x, delta, sum);
          }
        }
      });
    }
    add_dots(warp, block, head, kReverse, dots, kReverse ? s.of_states : s.dots);
  }
  template <typename Warp>
  TIDEMARK_DEVICE_INLINE void clear_of_states(Warp& warp, const Block& block) const {
    warp.each_lane([&](int lane) {
      const int heads = block.last_head - block.first_head;
      for (int i = warp.index() * device::kWarpLanes + lane; i < block.rows * heads;
           i += kWarps * device::kWarpLanes)
        s.of_states[int64_t{block.begin + i / heads} * s.heads + block.first_head + i % heads] = 0;
    });
  }
};

template <bool kReverse, typename Device>
void ssd_group_products(Device& device, const SsdGroupProducts& s) {
  const auto run = [&](auto of_columns) {
    constexpr int kColumns = decltype(of_columns)::value;
    using Large = SsdGroupWarps<kColumns, kReverse, false>;
    using Small = SsdGroupWarps<kColumns, kReverse, (kColumns > 64)>;
    device::with_room<Large, Small>(device, [&](auto chosen) {
      typename decltype(chosen)::type kernel;
      using Kernel = decltype(kernel);
      kernel.s = s;
      kernel.windows = static_cast<int>(divided(s.chunk_rows, Kernel::kRows));
      const int64_t blocks = divided(s.rows, s.chunk_rows) * kernel.windows * (s.heads / s.group_heads);
      device.template launch_warps<Kernel::kWarps, Kernel::kBlocks>(blocks * s.sets, Kernel::kShared, kernel);
    });
  };
  s.own.columns <= 64 ? run(std::integral_constant<int, 64>{}) : run(std::integral_constant<int, 128>{});
}

}  // namespace tidemark::ops
