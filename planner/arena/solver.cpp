#include "planner/arena/solver.h"

#include <algorithm>
#include <numeric>
#include <optional>

#include "base/error.h"
#include "planner/arena/placer.h"
#include "planner/arena/portfolio.h"

namespace tidemark::arena {
namespace {

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();
/// Blocks times their sections: above it the exact search's tables would take half a gigabyte.
constexpr int64_t kMostMembers = int64_t{1} << 24;
/// Of the first probe, where no limit says how much there is: some tenths of a second.
constexpr int64_t kFirstWork = 40'000'000;

int64_t members(const Sections& sections) {
  int64_t n = 0;
  for (const Item& item : sections.items)
    for (const Block& b : item.blocks) n += b.last - b.first + 1;
  return n;
}

/// Each item on top of the one before.
Placement stacked(const Sections& sections) {
  Placement p;
  for (const Item& item : sections.items) {
    p.offsets.push_back(p.end);
    p.end += item.height;
  }
  p.method = "stacked";
  return p;
}

/// What fit() and minimize() share: a problem, the best placement so far, and the search.
class Attempt {
 public:
  Attempt(const std::vector<Buffer>& buffers, const SolverOptions& options)
      : buffers_(buffers), options_(options), limit_(options.work, options.seconds) {
    if (const std::string fault = fault_of(buffers); !fault.empty()) throw InternalError(fault);
    sections_ = make_sections(buffers);
    searchable_ = members(sections_) <= kMostMembers;
    lower_bound_ = arena::lower_bound(buffers);
    for (const Piece& p : pieces_of(buffers)) unit_ = std::gcd(unit_, std::gcd(p.bytes.lower, p.bytes.upper));
    for (const Buffer& b : buffers) unit_ = std::gcd(unit_, b.size);
    unit_ = std::max<int64_t>(unit_, 1);
    best_ = stacked(sections_);
  }

  int64_t lower_bound() const { return lower_bound_; }
  int64_t end() const { return best_.end; }
  bool over() { return !searchable_ || limit_.reached(work_); }

  void try_lists(int64_t good_enough) {
    if (!options_.techniques.lists || sections_.items.empty()) return;
    best_ = place_by_lists(sections_, good_enough);
  }

  /// Searches for a placement within `capacity`.
  Outcome probe(int64_t capacity, int64_t most_work) {
    if (over()) return Outcome::stopped;
    if (!portfolio_) portfolio_.emplace(sections_, options_.techniques);
    Outcome outcome = portfolio_->search(capacity, most_work, limit_);
    work_ = portfolio_->work();
    if (outcome == Outcome::solved) best_ = portfolio_->placement();
    // Windows may interlock in ways that the search does not try.
    if (outcome == Outcome::exhausted && sections_.windows) outcome = Outcome::stopped;
    if (outcome == Outcome::exhausted) lower_bound_ = std::max(lower_bound_, above(capacity));
    return outcome;
  }

  /// Looks for ends down to `floor`, the lowest of interest; each probe may take so much work.
  void narrow(int64_t floor, int64_t most_work) {
    const int64_t enough = std::max(floor, lower_bound_);
    if (probe(enough, most_work) == Outcome::solved) return;
    int64_t low = above(enough);  // what is below was proved infeasible, or not found
    const int64_t tolerance = (best_.end - low) / 16;
    while (best_.end - low > tolerance && !over()) {
      const int64_t middle = low + (best_.end - unit_ - low) / 2 / unit_ * unit_;
      if (probe(middle, most_work / 4) != Outcome::solved) low = above(middle);
    }
  }

  Solution solution(Status status) const {
    Solution s;
    s.status = status;
    s.lower_bound = lower_bound_;
    s.nodes = portfolio_ ? portfolio_->nodes() : 0;
    if (status != Status::solved) return s;
    s.offsets.assign(buffers_.size(), 0);
    for (size_t i = 0; i < sections_.items.size(); ++i)
      s.offsets[sections_.items[i].buffer] = best_.offsets[i];
    for (size_t i = 0; i < buffers_.size(); ++i) s.end = std::max(s.end, s.offsets[i] + buffers_[i].size);
    s.method = best_.method;
    return s;
  }

 private:
  /// The least end above `capacity` that a placement can have.
  int64_t above(int64_t capacity) const { return capacity / unit_ * unit_ + unit_; }

  const std::vector<Buffer>& buffers_;
  SolverOptions options_;
  Limit limit_;
  Sections sections_;
  bool searchable_ = true;
  int64_t lower_bound_ = 0, unit_ = 0, work_ = 0;
  Placement best_;
  std::optional<Portfolio> portfolio_;
};

}  // namespace

Solution fit(const std::vector<Buffer>& buffers, int64_t capacity, const SolverOptions& options) {
  Attempt attempt(buffers, options);
  if (capacity < attempt.lower_bound()) return attempt.solution(Status::infeasible);
  attempt.try_lists(capacity);
  if (attempt.end() <= capacity) return attempt.solution(Status::solved);
  switch (attempt.probe(capacity, kNoLimit)) {
    case Outcome::solved: return attempt.solution(Status::solved);
    case Outcome::exhausted: return attempt.solution(Status::infeasible);
    case Outcome::stopped: break;
  }
  return attempt.solution(Status::not_found);
}

Solution minimize(const std::vector<Buffer>& buffers, const SolverOptions& options, int64_t good_enough) {
  Attempt attempt(buffers, options);
  attempt.try_lists(std::max(good_enough, attempt.lower_bound()));
  for (int64_t work = options.work < kNoLimit ? options.work / 2 : kFirstWork; !attempt.over(); work *= 4) {
    if (attempt.end() <= std::max(good_enough, attempt.lower_bound())) break;
    attempt.narrow(good_enough, work);
  }
  return attempt.solution(Status::solved);
}

}  // namespace tidemark::arena
