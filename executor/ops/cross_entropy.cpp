#include "executor/ops/cross_entropy.h"

#include <cmath>
#include <limits>

#include "executor/cpu/gemm.h"
#include "executor/ops/all.h"
#include "executor/ops/column_sum.h"
#include "executor/ops/operands.h"
#include "graph/cpu_workspace.h"
#include "graph/ignored_label.h"

namespace tidemark::ops {
namespace {

/// A chunk of tokens at a time: logits, softmax and, with gradients, the products that they enter.
class ChunkedLoss {
 public:
  ChunkedLoss(const KernelArgs& args, bool with_gradient);
  void run();

 private:
  void make_logits();
  void make_losses();
  void loss_of_row(int64_t row);
  void add_weight_gradient();
  void make_input_gradient();
  void* offset(void* base, int64_t elements) const {
    return static_cast<char*>(base) + elements * (bf16_ ? 2 : 4);
  }

  const KernelArgs& args_;
  bool with_gradient_, bf16_;
  int64_t tokens_, hidden_, vocabulary_, chunk_rows_;
  double smoothing_;  ///< the share of a target that is spread over the vocabulary
  cpu::CrossEntropySpace space_;
  const int32_t* labels_;
  float* logits_;
  float* losses_;
  void* scratch_;
  int64_t counted_ = 0;           ///< labels that are not ignored
  float grad_scale_ = 0;          ///< of a row's gradient
  int64_t begin_ = 0, rows_ = 0;  ///< the chunk
};

ChunkedLoss::ChunkedLoss(const KernelArgs& args, bool with_gradient)
    : args_(args),
      with_gradient_(with_gradient),
      bf16_(is_bf16(args.op.in(0))),
      tokens_(rows_of(args.op.in(0))),
      hidden_(columns_of(args.op.in(0))),
      vocabulary_(rows_of(args.op.in(1))),
      chunk_rows_(std::min(tokens_, args.op.attributes().integer("chunk_rows"))),
      smoothing_(args.op.attributes().has("label_smoothing") ? args.op.attributes().number("label_smoothing")
                                                             : 0),
      space_(cpu::cross_entropy_space(tokens_, hidden_, vocabulary_, chunk_rows_, args.op.in(0).dtype,
                                      with_gradient, args.pool->threads())),
      labels_(args.in<int32_t>(2)),
      logits_(static_cast<float*>(args.workspace)),
      losses_(logits_ + space_.logits_bytes / 4),
      scratch_(losses_ + space_.losses_bytes / 4) {
  check_ids(labels_, tokens_, vocabulary_, kIgnoredLabel, "labels");
  counted_ = tokens_ - std::count(labels_, labels_ + tokens_, kIgnoredLabel);
  if (with_gradient && counted_ > 0)
    grad_scale_ =
        static_cast<float>(args.op.attributes().number("grad_scale") / static_cast<double>(counted_));
}

void ChunkedLoss::make_logits() {
  cpu::Gemm g;
  g.m = rows_;
  g.n = vocabulary_;
  g.k = hidden_;
  g.a = offset(args_.inputs[0], begin_ * hidden_);
  g.lda = g.ldb = hidden_;
  g.b = args_.inputs[1];
  g.b_transposed = true;
  g.a_bf16 = g.b_bf16 = g.bias_bf16 = bf16_;
  g.bias = args_.op.has_in(3) ? args_.inputs[3] : nullptr;
  g.c = logits_;
  g.ldc = space_.logits_ld;
  cpu::gemm(g, scratch_, args_.pool);
}

void ChunkedLoss::loss_of_row(int64_t row) {
  float* const x = logits_ + row * space_.logits_ld;
  const int32_t label = labels_[begin_ + row];
  const int64_t padded = (vocabulary_ + 15) / 16 * 16;
  if (label == kIgnoredLabel) {
    losses_[begin_ + row] = 0;
    if (with_gradient_) std::fill_n(x, vocabulary_, 0.0f);
    return;
  }
  std::fill(x + vocabulary_, x + padded, -std::numeric_limits<float>::infinity());
  const float own = x[label];
  const auto own_share = static_cast<float>(1 - smoothing_);
  const auto each_share = static_cast<float>(smoothing_ / static_cast<double>(vocabulary_));
  float all = 0, largest = 0, sum = 0;
  if (smoothing_ > 0) TIDEMARK_SIMD(sum_row)(x, vocabulary_, &all);
  TIDEMARK_SIMD(softmax_row)(x, padded, with_gradient_, &largest, &sum);
  losses_[begin_ + row] = std::log(sum) + (largest - own_share * own - each_share * all);
  if (!with_gradient_) return;
  TIDEMARK_SIMD(scale_row)(x, padded, grad_scale_ / sum, -grad_scale_ * each_share);
  x[label] -= grad_scale_ * own_share;
}

void ChunkedLoss::make_losses() {
  args_.pool->parallel_for(rows_, [&](int64_t row, int) { loss_of_row(row); });
}

void ChunkedLoss::add_weight_gradient() {
  const bool first = begin_ == 0;
  cpu::Gemm g;
  g.m = vocabulary_;
  g.n = hidden_;
  g.k = rows_;
  g.a = logits_;
  g.lda = space_.logits_ld;
  g.a_transposed = true;
  g.b = offset(args_.inputs[0], begin_ * hidden_);
  g.ldb = g.ldc = g.ld_start = hidden_;
  g.b_bf16 = g.c_bf16 = bf16_;
  g.c = args_.outputs[2];
  g.start = first && !args_.op.has_in(4) ? nullptr : g.c;
  cpu::gemm(g, scratch_, args_.pool);
  if (!args_.op.has_in(3)) return;

  ColumnSum sum;
  sum.rows = rows_;
  sum.x = logits_;
  sum.ld = space_.logits_ld;
  sum.y = args_.outputs[3];
  sum.y_bf16 = bf16_;
  sum.start = first && !args_.op.has_in(5) ? nullptr : sum.y;
  column_sum(sum, vocabulary_, args_.pool);
}

/// Over h, where it may be stored: nothing reads this chunk of h any more.
void ChunkedLoss::make_input_gradient() {
  cpu::Gemm g;
  g.m = rows_;
  g.n = hidden_;
  g.k = vocabulary_;
  g.a = logits_;
  g.lda = space_.logits_ld;
  g.b = args_.inputs[1];
  g.ldb = g.ldc = hidden_;
  g.b_bf16 = g.c_bf16 = bf16_;
  g.c = offset(args_.outputs[1], begin_ * hidden_);
  cpu::gemm(g, scratch_, args_.pool);
}

void ChunkedLoss::run() {
  for (begin_ = 0; begin_ < tokens_; begin_ += chunk_rows_) {
    rows_ = std::min(chunk_rows_, tokens_ - begin_);
    make_logits();
    make_losses();
    if (!with_gradient_) continue;
    add_weight_gradient();
    make_input_gradient();
  }
  double total = 0;
  for (int64_t i = 0; i < tokens_; ++i) total += static_cast<double>(losses_[i]);
  *args_.out<float>(0) = counted_ == 0 ? 0 : static_cast<float>(total / static_cast<double>(counted_));
}

}  // namespace

void linear_cross_entropy_cpu(const KernelArgs& args) {
  ChunkedLoss(args, false).run();
}

void linear_cross_entropy_grad_cpu(const KernelArgs& args) {
  ChunkedLoss(args, true).run();
}

}  // namespace tidemark::ops
