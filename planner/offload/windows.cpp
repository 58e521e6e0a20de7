#include "planner/offload/windows.h"

#include <algorithm>
#include <deque>
#include <limits>

namespace tidemark {
namespace {

class Follower {
 public:
  Follower(std::vector<AwayValue> values, const HostLink& link, const std::vector<double>& clock,
           int64_t room, std::vector<int64_t>& live)
      : link_(link), clock_(clock), room_(room), live_(live), sends_(values), fetches_(std::move(values)) {
    std::stable_sort(sends_.begin(), sends_.end(), [](const AwayValue& a, const AwayValue& b) {
      return a.offload->to_host.begin < b.offload->to_host.begin;
    });
    std::stable_sort(fetches_.begin(), fetches_.end(), [](const AwayValue& a, const AwayValue& b) {
      return a.offload->from_host.end < b.offload->from_host.end;
    });
    double latest = std::numeric_limits<double>::infinity();
    latest_.resize(fetches_.size());
    for (size_t i = fetches_.size(); i-- > 0;)
      latest_[i] = latest =
          std::min(latest, at(fetches_[i].offload->from_host.end)) - link.seconds(fetches_[i].absence->bytes);
  }

  void run(const StepRange& range) {
    now_ = at(range.begin);
    for (int32_t p = range.begin; p < range.end; ++p) {
      start_sends(p);
      let_go_of_sent(p);
      make_room(p);
      fetch(p);
      for (const Sent& s : sent_)
        if (s.least_end <= p) live(p) += s.bytes;
      now_ += at(p + 1) - at(p);
    }
    for (const Sent& s : sent_) s.window->end = range.end;
  }

 private:
  struct Sent {
    CopyWindow* window;
    int64_t bytes;
    int32_t least_end, most_end;  ///< steps before the one use it; by the other its place has another value
    double done;
  };

  double at(int32_t point) const { return clock_[static_cast<size_t>(point)]; }
  int64_t& live(int32_t step) { return live_[static_cast<size_t>(step)]; }

  void start_sends(int32_t p) {
    for (; next_send_ < sends_.size() && sends_[next_send_].offload->to_host.begin <= p; ++next_send_) {
      const Absence& a = *sends_[next_send_].absence;
      CopyWindow& window = sends_[next_send_].offload->to_host;
      sends_free_ = std::max(sends_free_, now_) + link_.seconds(a.bytes);
      const int32_t most = a.state ? std::numeric_limits<int32_t>::max() : a.to;
      sent_.push_back({&window, a.bytes, window.end, most, sends_free_});
    }
  }

  /// Ends the windows of copies that are done or, where `must` says so, are waited for.
  template <typename F>
  void end_windows(int32_t p, F&& must) {
    for (auto s = sent_.begin(); s != sent_.end();) {
      if (s->least_end > p || (s->done > now_ && !must(*s))) {
        ++s;
        continue;
      }
      now_ = std::max(now_, s->done);
      s->window->end = p;
      s = sent_.erase(s);
    }
  }
  void let_go_of_sent(int32_t p) {
    end_windows(p, [&](const Sent& s) { return s.most_end <= p; });
  }
  /// The oldest first.
  void make_room(int32_t p) {
    end_windows(p, [&](const Sent&) { return live(p) + still_there(p, now_) > room_; });
  }

  /// Of what was sent, the bytes that are still there at step p if it begins at that time.
  int64_t still_there(int32_t p, double seconds) const {
    int64_t bytes = 0;
    for (const Sent& s : sent_)
      if (s.least_end <= p && s.done > seconds) bytes += s.bytes;
    return bytes;
  }

  bool fits(int64_t bytes, int32_t begin, int32_t end) {
    for (int32_t s = begin; s < end; ++s)
      if (live(s) + still_there(s, now_ + at(s) - at(begin)) + bytes > room_) return false;
    return true;
  }

  void fetch(int32_t p) {
    for (; next_fetch_ < fetches_.size(); ++next_fetch_) {
      const AwayValue& v = fetches_[next_fetch_];
      CopyWindow& window = v.offload->from_host;
      const bool must = window.end <= p;
      if (!must) {
        if (at(p + 1) <= latest_[next_fetch_]) break;
        if (!v.absence->state && is_being_sent(v.offload->to_host)) break;
        if (!fits(v.absence->bytes, p, window.end)) break;
        window.begin = p;
        for (int32_t s = p; s < window.end; ++s) live(s) += v.absence->bytes;
      }
      fetches_free_ = std::max(fetches_free_, now_) + link_.seconds(v.absence->bytes);
      fetched_.push_back({window.end, fetches_free_});
    }
    for (; !fetched_.empty() && fetched_.front().needed <= p; fetched_.pop_front())
      now_ = std::max(now_, fetched_.front().done);
  }
  bool is_being_sent(const CopyWindow& window) const {
    return std::any_of(sent_.begin(), sent_.end(), [&](const Sent& s) { return s.window == &window; });
  }

  struct Fetched {
    int32_t needed;
    double done;
  };

  const HostLink& link_;
  const std::vector<double>& clock_;
  int64_t room_;
  std::vector<int64_t>& live_;
  std::vector<AwayValue> sends_, fetches_;  // in the order in which they begin, or are needed
  std::vector<double> latest_;              // of each of fetches_: when it must begin, were there no waiting
  size_t next_send_ = 0, next_fetch_ = 0;
  std::deque<Sent> sent_;        // not known to be done, in the order in which they will be
  std::deque<Fetched> fetched_;  // not waited for
  double sends_free_ = 0, fetches_free_ = 0, now_ = 0;
};

}  // namespace

void lengthen_windows(std::vector<AwayValue> values, const StepRange& range, const HostLink& link,
                      const std::vector<double>& clock, int64_t room, std::vector<int64_t>& live) {
  Follower(std::move(values), link, clock, room, live).run(range);
}

}  // namespace tidemark
