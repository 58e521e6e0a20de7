// What one moment of a step proves about every order: the relaxation behind the lower bound.
//
// When an op runs for the first time, all it depends on has run and nothing that depends on it has. What
// the latter still read is then live, or made again behind it (remake_cut.h). The best price of a byte gives
// the Lagrangian bound: no order that fits runs less again.
#pragma once

#include <cstdint>
#include <vector>

#include "planner/remat/remake_cut.h"
#include "planner/remat/search_graph.h"

namespace tidemark {

struct MomentBound {
  double seconds = 0;    ///< of ops that every order that fits runs again; infinite: none fits
  RemakeChoice fitting;  ///< the best choice at the best price that fits
};

/// Of the op's reads, results and workspace, as little as sharing may leave of them.
int64_t operand_bytes(const SearchGraph& graph, OpId op);

class Moment {
 public:
  Moment(const SearchGraph& graph, OpId op);

  /// Live bytes, without the persistent ones, that every order needs while the op runs.
  int64_t least_bytes();
  /// The same if nothing is made again behind the op.
  int64_t kept_bytes() const;
  /// `room`: bytes for all that is live and not persistent.
  MomentBound bound(int64_t room);

 private:
  enum class Place : uint8_t {
    before,     ///< runs before the op, and may run again behind it
    fixed,      ///< runs before it and never again
    unordered,  ///< before it or behind it
    behind,     ///< first runs behind it
  };

  static std::vector<Place> find_places(const SearchGraph& graph, OpId op);
  RemakeCut make_cut(const SearchGraph& graph, OpId op);

  int64_t own_bytes_ = 0;  // operand_bytes()
  RemakeCut cut_;
};

}  // namespace tidemark
