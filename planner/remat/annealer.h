// Simulated annealing over whole orders: what runs again, where, and in which order ops run first.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <random>
#include <vector>

#include "planner/remat/search_control.h"
#include "planner/remat/timeline.h"

namespace tidemark {

/// Whose seconds the first heat is a share of: the average op's, or those of the op in which the average
/// second is spent. They are far apart where few ops take most of the time.
enum class HeatOf : uint8_t { op, second };

/// Kirkpatrick, Gelatt & Vecchi 1983. Bytes over the room cost seconds at a price that rises while nothing
/// fits and falls while all does, so that the search stays at the border, where the fastest orders are.
class Annealer {
 public:
  /// `start` need not fit into `room`, the bytes for all that is not persistent.
  Annealer(Timeline start, int64_t room, uint64_t seed, HeatOf heat = HeatOf::op);

  /// Tries this many changes, cooling down from the first heat to next to nothing. Returns
  /// early once the control says so, or an order fits that is good enough.
  void run(int64_t changes, const SearchControl& control);

  /// From now on. Forgets the best order unless it fits.
  void set_room(int64_t room);

  /// The fastest order found that fits; nothing if none was.
  const std::optional<std::vector<OpId>>& best() const { return best_; }
  double best_seconds() const { return best_seconds_; }
  int64_t best_peak() const { return best_peak_; }  ///< bytes live at once, without the persistent ones

  /// Of all orders on the way that did not fit, the one with the lowest peak; empty if all fit.
  const std::vector<OpId>& lowest() const { return lowest_; }
  int64_t lowest_peak() const { return static_cast<int64_t>(lowest_peak_); }

 private:
  struct Energy {
    double seconds = 0;
    Levels::Excess over;
  };

  const SearchGraph& graph() const { return timeline_.graph(); }
  const SearchGraph::Op& op(OpId id) const { return graph().ops[static_cast<size_t>(id)]; }
  const SearchGraph::Value& value(ValueId id) const { return graph().values[static_cast<size_t>(id)]; }
  size_t draw(size_t n) { return static_cast<size_t>(random_() % n); }
  double chance() { return static_cast<double>(random_() >> 11) * 0x1p-53; }
  Energy measure() { return {timeline_.seconds(), timeline_.excess(room_)}; }
  double cost(const Energy& e) const;
  void keep_if_best(const Energy& e);
  void keep_if_lowest(const Energy& e);
  void find_crowded();

  // Changes; false where there was nothing to change, or not all of it could be.
  bool change();
  bool drop();
  bool keep();
  bool move();
  bool remake(OpId id, int32_t slot, int depth);
  void unmake(OpId id, int32_t slot);
  bool is_read_from(OpId id, int32_t slot) const;
  std::optional<int32_t> next_read(ValueId id, int32_t slot) const;

  Timeline timeline_;
  double room_;
  double price_ = 0;  // seconds a byte
  double unit_ = 1;   // seconds of an average op that may run again
  double heat_ = 1;   // the first, in seconds
  std::mt19937_64 random_;
  std::vector<ValueId> droppable_;
  std::vector<OpId> movable_, recomputable_;
  std::vector<int32_t> crowded_;  // slots at or near the room
  std::optional<std::vector<OpId>> best_;
  double best_seconds_ = 0;
  int64_t best_peak_ = 0;
  std::vector<OpId> lowest_;
  double lowest_peak_ = std::numeric_limits<double>::infinity();
};

}  // namespace tidemark
