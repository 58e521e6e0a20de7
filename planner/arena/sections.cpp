#include "planner/arena/sections.h"

#include <algorithm>
#include <map>

namespace tidemark::arena {
namespace {

/// A time within each section, ascending: the last start before the first end that follows it.
std::vector<int64_t> section_times(const std::vector<Piece>& pieces) {
  struct Event {
    bool start = false, end = false;
  };
  std::map<int64_t, Event> events;
  for (const Piece& p : pieces) {
    events[p.time.lower].start = true;
    events[p.time.upper].end = true;
  }
  std::vector<int64_t> times;
  int64_t last_start = 0;
  bool open = false;                          // something started since the last end
  for (const auto& [time, event] : events) {  // lives are half-open: ends come before starts
    if (event.end && open) {
      times.push_back(last_start);
      open = false;
    }
    if (event.start) {
      last_start = time;
      open = true;
    }
  }
  return times;
}

}  // namespace

Sections make_sections(const std::vector<Buffer>& buffers) {
  const std::vector<Piece> pieces = pieces_of(buffers);
  const std::vector<int64_t> times = section_times(pieces);
  const auto section_at = [&](int64_t time) {
    return static_cast<int32_t>(std::lower_bound(times.begin(), times.end(), time) - times.begin());
  };
  Sections sections;
  sections.count = static_cast<int32_t>(times.size());
  for (const Piece& p : pieces) {
    if (sections.items.empty() || sections.items.back().buffer != p.buffer) {
      sections.items.emplace_back();
      sections.items.back().buffer = p.buffer;
      sections.items.back().height = buffers[p.buffer].size;
      sections.items.back().least_end = p.bytes.upper;
    }
    Item& item = sections.items.back();
    item.blocks.push_back({section_at(p.time.lower), section_at(p.time.upper) - 1, p.bytes.lower,
                           p.bytes.upper - p.bytes.lower});
    item.least_end = std::min(item.least_end, p.bytes.upper);
    item.life += static_cast<double>(p.time.upper) - static_cast<double>(p.time.lower);
    sections.gaps = sections.gaps || item.blocks.size() > 1;
    sections.windows = sections.windows || p.bytes.lower > 0;
  }
  return sections;
}

}  // namespace tidemark::arena
