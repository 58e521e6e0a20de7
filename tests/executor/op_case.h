// Runs one op's kernel on memory with fences around every operand, and holds it to what every kernel
// promises: the oracle's numbers, and the same bits whatever the threads, addresses and aliases.
#pragma once

#include <cstdint>
#include <deque>
#include <random>
#include <string>
#include <vector>

#include "graph/op_def.h"

namespace tidemark::test {

using Values = std::vector<double>;
using Operands = std::deque<Values>;

class OpDevice;

class OpCase {
 public:
  explicit OpCase(std::string kind, Attributes attributes = {}, DType dtype = DType::f32);

  /// Adds an input of the case's dtype: normal random numbers, or the ones given, rounded.
  OpCase& random(Shape shape, double scale = 1);
  OpCase& floats(Shape shape, const Values& values);
  OpCase& f32(Shape shape, const Values& values);  ///< f32 whatever the case's dtype
  OpCase& ints(const std::vector<int32_t>& values);
  OpCase& absent();

  DType dtype() const { return dtype_; }
  const Attributes& attributes() const { return attributes_; }
  /// As the kernel reads them. What is added later moves none of them.
  const Operands& inputs() const { return inputs_; }
  int64_t dim(int input, int axis) const { return types_[static_cast<size_t>(input)].shape[axis]; }
  bool has(int input) const;

  struct Run {
    int threads = 1;
    int planned_threads = 0;     ///< that the workspace is for; 0: as threads
    int alias = -1;              ///< index of the optional alias to use, -1: none
    int64_t shift = 0;           ///< of every operand, in elements
    OpDevice* device = nullptr;  ///< nullptr: the CPU's kernel, on `threads`
  };
  /// Outputs as stored; a ::testing failure where the kernel wrote what it must not.
  std::vector<Values> run(const Run& options) const;

  /// run() and the promises, under each instruction set and on each device that has the op. Allows `relative`
  /// of the value plus `relative` of the output's root mean square (0: a fitting one for the dtype); on
  /// devices `on_devices` of both (0: the same), where bf16 is rounded on the way to tensor cores.
  void check(const std::vector<Values>& expected, double relative = 0, double on_devices = 0) const;

 private:
  OpCase& add(TensorType type, const Values& values);
  void check_on_cpu(const std::vector<Values>& expected, double relative) const;
  void check_on(OpDevice& device, const std::vector<Values>& expected, double relative) const;
  /// The results of run(first), which must be near what is expected; and what other runs must repeat.
  std::vector<Values> check_near(const Run& first, const std::vector<Values>& expected,
                                 double relative) const;
  void check_same(const std::vector<Values>& results, const Run& run, const std::string& how) const;
  /// With each optional alias in turn.
  void check_aliases(const std::vector<Values>& results, Run run) const;

  std::string kind_;
  Attributes attributes_;
  DType dtype_;
  std::vector<TensorType> types_;
  Operands inputs_;
  std::mt19937 generator_{7};
};

/// Rounded to the nearest value of the dtype, ties to even.
double rounded_to(DType dtype, double x);

}  // namespace tidemark::test
