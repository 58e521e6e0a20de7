// What the recurrent layers and their vector code share. The packed layout is described in docs/ops.md.
//
// A layer's threads divide its hidden columns and stay with them: a thread packs the rows of the weight
// that make its columns, and at each time multiplies and applies the cell to them. What every thread needs
// of the time before (h going forward, gate gradients going back) passes through `state`, in f32.
#pragma once

#include <cstdint>

#include "executor/cpu/isa.h"

namespace tidemark::ops {

enum class Cell { rnn_tanh, rnn_relu, lstm, gru };

inline int64_t gates_of(Cell cell) {
  return cell == Cell::lstm ? 4 : cell == Cell::gru ? 3 : 1;
}

/// A layer's operands; forward reads and writes them as the op of that name, its gradient likewise.
struct RecurrentLayer {
  Cell cell = Cell::lstm;
  bool bf16 = false;
  int64_t hidden = 0;
  const void* weight = nullptr;  ///< [gates * hidden, hidden]
  const void* xg = nullptr;      ///< forward: [tokens, gates * hidden], with
  const void* bias = nullptr;    ///< [gates * hidden] or null
  const void* dh = nullptr;      ///< backward: [tokens, hidden]
  void* h = nullptr;             ///< [tokens, hidden]
  float* c = nullptr;            ///< LSTM: [tokens, hidden]
  void* gates = nullptr;         ///< LSTM, GRU: [tokens, gates * hidden]
  void* hn = nullptr;            ///< GRU: [tokens, hidden]
  void* dxg = nullptr;           ///< backward: [tokens, gates * hidden], and
  void* dhn = nullptr;           ///< of the GRU [tokens, hidden]
  float* packed = nullptr;       ///< the weight's panels
  float* carry = nullptr;        ///< backward: what dc (LSTM), dh (GRU) gets directly from the next time
  float* state[2] = {};          ///< of even and odd steps: [max_batch, state_ld]
  int64_t state_ld = 0;
};

/// One time of a layer that runs either way: rows [row, row + rows) of the pack.
struct TimeStep {
  int64_t index = 0;  ///< counts the times in the order they are run
  int64_t row = 0, rows = 0;
  int64_t linked = 0;       ///< of these, the first ones were also in the step run before
  int64_t source_row = 0;   ///< rows of the time whose h this one reads, first to last
  int64_t source_rows = 0;  ///< how many of the rows have one
};

TIDEMARK_SIMD_DECLARE(
    /// Columns [begin, end), begin a multiple of kPanelColumns, of each gate or of h.
    void recurrent_pack(const RecurrentLayer& layer, int64_t begin, int64_t end);
    void recurrent_forward(const RecurrentLayer& layer, const TimeStep& step, int64_t begin, int64_t end);
    void recurrent_pack_grad(const RecurrentLayer& layer, int64_t begin, int64_t end);
    void recurrent_backward(const RecurrentLayer& layer, const TimeStep& step, int64_t begin, int64_t end);)

}  // namespace tidemark::ops
