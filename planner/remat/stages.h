// Turns the blocks of a training graph into stages with sizes and times, and sequences of stages back
// into orders of ops.
#pragma once

#include <vector>

#include "graph/op_def.h"
#include "planner/remat/chain.h"
#include "planner/remat/kept_values.h"
#include "planner/remat/rotor.h"

namespace tidemark {

class Stages {
 public:
  /// `flat`: the graph's.
  Stages(const Graph& graph, const SearchGraph& flat, const Chain& chain,
         const std::vector<double>& op_seconds, const DeviceTraits& device);

  const std::vector<Stage>& stages() const { return stages_; }

  /// All ops of the step; recomputing ones whose results nobody reads are still in it.
  std::vector<OpId> order(const std::vector<StageAction>& actions) const;

 private:
  struct Bytes {
    int64_t peak = 0;
    int64_t left = 0;  ///< in the values asked for, at the end
  };

  void find_gradient_lives();
  bool once(ValueId value) const;
  int64_t standing_bytes(size_t block) const;
  Stage make_stage(size_t block) const;
  void add_options(size_t block, const SearchGraph& flat);
  void add_option(size_t block, KeptValues kept);
  StageOption make_option(size_t block, const KeptValues& kept) const;

  int32_t forward_block(ValueId value) const;
  KeptValues needed(size_t block) const;
  void remake(ValueId value, int32_t block, KeptValues& have, std::vector<OpId>& order) const;
  /// The block's backward ops, each after the forward ops that remake what it reads and `kept` lacks.
  std::vector<OpId> backward(size_t block, const KeptValues& kept) const;
  std::vector<OpId> direct(size_t block) const;

  Bytes measure_forward(size_t block, const KeptValues& kept) const;
  Bytes measure_backward(size_t block, const std::vector<OpId>& order, const KeptValues& kept,
                         const KeptValues& left) const;
  Bytes measure(const std::vector<OpId>& order, const std::vector<ValueId>& live_out,
                const KeptValues& live_in, const KeptValues& left) const;
  double seconds(const std::vector<OpId>& order) const;  ///< but for what runs once whatever is planned

  const Graph& graph_;
  const Chain& chain_;
  const std::vector<double>& op_seconds_;
  DeviceTraits device_;
  std::vector<int32_t> block_of_;  ///< of each op in the chain
  std::vector<bool> once_;         ///< by op: of a forward, and may not run again
  std::vector<std::vector<OpId>> consumers_;
  std::vector<KeptValues> gradients_in_;    ///< by block: made by later backwards and read here or before
  std::vector<KeptValues> gradients_left_;  ///< by block: made by its backward and read by the optimizer
  std::vector<Stage> stages_;
  std::vector<std::vector<KeptValues>> kept_;  ///< by block and option
};

}  // namespace tidemark
