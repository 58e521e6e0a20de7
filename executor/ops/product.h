// A matrix product whose operands are those of an op.
#pragma once

#include "executor/cpu/gemm.h"
#include "executor/ops/operands.h"

namespace tidemark::ops {

/// Output 0 of inputs 0 and 1, all row-major; k and what else there is to it is the caller's.
inline cpu::Gemm product(const KernelArgs& args) {
  const TensorType& a = args.op.in(0);
  const TensorType& b = args.op.in(1);
  const TensorType& c = args.op.out(0);
  cpu::Gemm g;
  g.m = rows_of(c);
  g.n = columns_of(c);
  g.a = args.inputs[0];
  g.lda = columns_of(a);
  g.b = args.inputs[1];
  g.ldb = columns_of(b);
  g.c = args.outputs[0];
  g.ldc = g.ld_start = columns_of(c);
  g.a_bf16 = g.b_bf16 = g.c_bf16 = g.bias_bf16 = is_bf16(c);
  return g;
}

}  // namespace tidemark::ops
