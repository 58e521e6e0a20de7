#include "cli/progress.h"

#include <unistd.h>

#include <cmath>
#include <cstdio>

#include "base/clock.h"
#include "base/units.h"

namespace tidemark::cli {
namespace {

constexpr int64_t kTerminalPeriodNs = 100'000'000;
constexpr int64_t kLogPeriodNs = 5'000'000'000;

}  // namespace

Progress::Progress(int64_t total_steps, const char* unit)
    : total_(total_steps), unit_(unit), terminal_(isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  if (terminal_ && shown_ns_ != 0) std::fputc('\n', stderr);
}

void Progress::show(int64_t done, double loss, double units_per_second, double seconds_per_step) {
  const int64_t now = now_ns();
  const int64_t period = terminal_ ? kTerminalPeriodNs : kLogPeriodNs;
  if (shown_ns_ != 0 && done < total_ && now - shown_ns_ < period) return;
  shown_ns_ = now;
  std::string left;
  if (done < total_)
    left = "  " + format_seconds(static_cast<double>(total_ - done) * seconds_per_step) + " left";
  std::fprintf(stderr, "%sstep %lld/%lld  loss %.4f  %s %s/s%s%s", terminal_ ? "\r\033[K" : "",
               static_cast<long long>(done), static_cast<long long>(total_), loss,
               format_count(std::llround(units_per_second)).c_str(), unit_, left.c_str(),
               terminal_ ? "" : "\n");
  std::fflush(stderr);
}

void Progress::note(const char* text) {
  std::fprintf(stderr, "%s%s\n", terminal_ ? "\r\033[K" : "", text);
}

}  // namespace tidemark::cli
