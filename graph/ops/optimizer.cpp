#include "graph/cpu_workspace.h"
#include "graph/ops/all.h"
#include "graph/ops/check.h"

namespace tidemark::ops {

OpDef grad_norm() {
  OpDef d;
  d.name = "grad_norm";
  d.input_names = {"g*"};
  d.output_names = {"norm"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    for (int i = 0; i < op.inputs(); ++i) expect(is_float(op.in(i).dtype), op, i, "a float tensor");
    return {scalar()};
  };
  d.work = [](const OpView& op) { return Work{operand_bytes(op) / 2, operand_bytes(op)}; };
  d.workspace = [](const OpView& op, const DeviceTraits&) {
    int64_t blocks = 0;
    for (int i = 0; i < op.inputs(); ++i) blocks += cpu::grad_norm_blocks(op.in(i).shape.elements());
    return cpu::grad_norm_workspace(blocks);
  };
  return d;
}

// Loshchilov & Hutter 2019.
OpDef adamw() {
  OpDef d;
  d.name = "adamw";
  d.input_names = {"param", "grad", "m", "v", "hyper", "norm?", "master?", "seed?"};
  d.output_names = {"param'", "m'", "v'", "master'?"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    const TensorType& p = op.in(0);
    expect(is_float(p.dtype), op, 0, "a float tensor");
    const TensorType state{DType::f32, p.shape};
    expect_type(op, 1, p);
    expect_type(op, 2, state);
    expect_type(op, 3, state);
    expect_type(op, 4, vector(DType::f32, 4));
    expect_type(op, 5, scalar());
    expect_type(op, 6, state);
    if (op.has_in(7)) {
      expect_type(op, 7, vector(DType::i32, 2));
      expect(p.dtype == DType::bf16 && !op.has_in(6), op, 0, "bf16 without a master, to be rounded");
      op.attributes().integer("site");
    }
    for (const char* name : {"beta1", "beta2", "epsilon", "weight_decay", "clip_norm", "learning_rate_scale"})
      op.attributes().number(name);
    return {p, state, state, op.has_in(6) ? state : absent()};
  };
  d.work = [](const OpView& op) {
    return Work{12 * static_cast<double>(op.in(0).shape.elements()), operand_bytes(op)};
  };
  d.aliases = {{0, 0, true}, {1, 2, true}, {2, 3, true}, {3, 6, true}};
  return d;
}

OpDef sign_step() {
  OpDef d;
  d.name = "sign_step";
  d.input_names = {"param", "direction"};
  d.output_names = {"param'"};
  d.infer = [](const OpView& op) -> std::vector<TensorType> {
    expect(op.in(0).dtype == DType::f32, op, 0, "an f32 tensor");
    expect_type(op, 1, op.in(0));
    op.attributes().number("step");
    return {op.in(0)};
  };
  d.work = elementwise_work(2);
  d.aliases = {{0, 0, true}};
  return d;
}

}  // namespace tidemark::ops
