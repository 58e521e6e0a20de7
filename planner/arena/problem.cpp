#include "planner/arena/problem.h"

#include <algorithm>
#include <map>

namespace tidemark::arena {

std::string fault_of(const Buffer& buffer) {
  const auto range = [](const Interval& i) {
    return "[" + std::to_string(i.lower) + ", " + std::to_string(i.upper) + ")";
  };
  if (buffer.size < 0) return "the size " + std::to_string(buffer.size) + " is negative";
  if (buffer.time.lower >= buffer.time.upper) return "the life " + range(buffer.time) + " is empty";
  int64_t after = buffer.time.lower;
  for (const Gap& gap : buffer.gaps) {
    if (gap.time.lower >= gap.time.upper) return "the gap " + range(gap.time) + " is empty";
    if (gap.time.lower < after || gap.time.upper > buffer.time.upper)
      return "the gap " + range(gap.time) + " overlaps another, is out of order, or leaves the life " +
             range(buffer.time);
    after = gap.time.upper;
    if (!gap.window) continue;
    if (gap.window->lower < 0 || gap.window->lower >= gap.window->upper || gap.window->upper > buffer.size)
      return "the window " + range(*gap.window) + " is empty or leaves the buffer's " +
             std::to_string(buffer.size) + " bytes";
  }
  return {};
}

std::string fault_of(const std::vector<Buffer>& buffers) {
  int64_t total = 0;
  for (const Buffer& b : buffers) {
    if (const std::string fault = fault_of(b); !fault.empty()) return "buffer '" + b.id + "': " + fault;
    if (b.size > kMostBytes - total)
      return "buffer '" + b.id + "': the sizes up to here add up to over 2^62 bytes";
    total += b.size;
  }
  return {};
}

std::vector<Piece> pieces_of(const std::vector<Buffer>& buffers) {
  std::vector<Piece> pieces;
  pieces.reserve(buffers.size());
  for (size_t i = 0; i < buffers.size(); ++i) {
    const Buffer& b = buffers[i];
    if (b.size == 0) continue;
    int64_t from = b.time.lower;
    for (const Gap& gap : b.gaps) {
      if (from < gap.time.lower) pieces.push_back({i, {from, gap.time.lower}, {0, b.size}});
      if (gap.window) pieces.push_back({i, gap.time, *gap.window});
      from = gap.time.upper;
    }
    if (from < b.time.upper) pieces.push_back({i, {from, b.time.upper}, {0, b.size}});
  }
  return pieces;
}

int64_t lower_bound(const std::vector<Buffer>& buffers) {
  std::map<int64_t, int64_t> changes;
  for (const Piece& p : pieces_of(buffers)) {
    changes[p.time.lower] += p.bytes.upper - p.bytes.lower;
    changes[p.time.upper] -= p.bytes.upper - p.bytes.lower;
  }
  int64_t now = 0, most = 0;
  for (const auto& [time, change] : changes) {
    now += change;
    most = std::max(most, now);
  }
  for (const Buffer& b : buffers) most = std::max(most, b.size);
  return most;
}

}  // namespace tidemark::arena
