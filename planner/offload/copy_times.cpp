#include "planner/offload/copy_times.h"

#include <algorithm>
#include <array>

namespace tidemark {
namespace {

class Clock {
 public:
  Clock(const Schedule& schedule, const HostLink& link)
      : schedule_(schedule), link_(link), done_(schedule.transfers.size(), 0) {}

  void start(const std::vector<int32_t>& transfers) {
    for (int32_t t : transfers) {
      const Transfer& transfer = schedule_.transfers[static_cast<size_t>(t)];
      const double seconds = link_.seconds(schedule_.host_buffers[static_cast<size_t>(transfer.host)].bytes);
      double& free = link_.overlaps ? free_[transfer.to_host ? 1 : 0] : now_;
      free = std::max(free, now_) + seconds;
      done_[static_cast<size_t>(t)] = free;
    }
  }
  void wait_for(const std::vector<int32_t>& transfers) {
    for (int32_t t : transfers) now_ = std::max(now_, done_[static_cast<size_t>(t)]);
  }
  void run(double seconds) { now_ += seconds; }
  double finish() const { return std::max({now_, free_[0], free_[1]}); }

 private:
  const Schedule& schedule_;
  const HostLink& link_;
  std::vector<double> done_;
  std::array<double, 2> free_{};  // when the last copy from the host, and to it, is done
  double now_ = 0;
};

}  // namespace

HostLink host_link(const DeviceSpeed& speed, DeviceKind kind) {
  if (kind == DeviceKind::cpu) return {.bytes_per_second = speed.bytes_per_second / 2};
  return {.bytes_per_second = speed.host_bytes_per_second, .overlaps = true};
}

double seconds_with_copies(const Graph& graph, const Schedule& schedule,
                           const std::vector<double>& step_seconds, int micro_batches, const HostLink& link) {
  const std::vector<TransferPoint> points = transfer_points(schedule);
  const std::vector<StepRange> ranges = step_ranges(graph, schedule);
  double seconds = 0;
  for (size_t r = 0; r < ranges.size(); ++r) {
    Clock clock(schedule, link);
    for (int32_t s = ranges[r].begin; s < ranges[r].end; ++s) {
      const TransferPoint& before = points[static_cast<size_t>(s)];
      const TransferPoint& behind = points[static_cast<size_t>(s) + 1];
      clock.start(before.fetch);
      clock.wait_for(before.fetched);
      clock.run(step_seconds[static_cast<size_t>(s)]);
      clock.start(behind.send);
      clock.wait_for(behind.sent);
    }
    seconds += clock.finish() * (r == 1 ? micro_batches : 1);
  }
  return seconds;
}

}  // namespace tidemark
