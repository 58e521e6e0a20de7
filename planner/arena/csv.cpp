#include "planner/arena/csv.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <unordered_map>

#include "base/error.h"

namespace tidemark::arena {
namespace {

constexpr const char* kForm = "the form is id,lower,upper,size[,gaps]";
constexpr std::array<std::string_view, 6> kColumns = {"id", "lower", "upper", "size", "gaps", "offset"};

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r'))
    text.remove_suffix(1);
  return text;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (size_t from = 0;;) {
    const size_t to = text.find(separator, from);
    parts.push_back(trimmed(text.substr(from, to - from)));
    if (to == std::string_view::npos) return parts;
    from = to + 1;
  }
}

class Reader {
 public:
  explicit Reader(const std::string& name) : name_(name) {}

  std::vector<Buffer> read(std::string_view text) {
    for (std::string_view line : split(text, '\n')) {
      ++line_;
      if (line.empty()) continue;
      if (columns_.empty())
        read_header(split(line, ','));
      else
        read_row(split(line, ','));
    }
    if (columns_.empty()) throw Error("bad arena problem", name_, "is empty", kForm);
    if (buffers_.empty()) throw Error("bad arena problem", name_, "holds no buffers", "give one a line");
    return std::move(buffers_);
  }

 private:
  [[noreturn]] void fail(const std::string& why, const std::string& remedy = {}) const {
    throw Error("bad arena problem", name_ + ":" + std::to_string(line_), why, remedy);
  }

  void read_header(const std::vector<std::string_view>& names) {
    for (std::string_view name : names) {
      const auto known = std::find(kColumns.begin(), kColumns.end(), name);
      if (known == kColumns.end()) fail("unknown column '" + std::string(name) + "'", kForm);
      const auto column = static_cast<size_t>(known - kColumns.begin());
      if (std::find(columns_.begin(), columns_.end(), column) != columns_.end())
        fail("column '" + std::string(name) + "' stands twice");
      columns_.push_back(column);
    }
    for (size_t column = 0; column < 4; ++column)
      if (std::find(columns_.begin(), columns_.end(), column) == columns_.end())
        fail("there is no column '" + std::string(kColumns[column]) + "'", kForm);
  }

  int64_t number(std::string_view text, std::string_view what) const {
    int64_t value = 0;
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (status == std::errc::result_out_of_range)
      fail(std::string(what) + " '" + std::string(text) + "' does not fit into 64 bits");
    if (status != std::errc() || end != text.data() + text.size())
      fail(std::string(what) + " '" + std::string(text) + "' is not an integer");
    return value;
  }

  Interval interval(std::string_view text, char separator) const {
    const std::vector<std::string_view> ends = split(text, separator);
    if (ends.size() != 2)
      fail("gap '" + std::string(text) + "' is not an interval", "write LOWER-UPPER or LOWER-UPPER@FROM:TO");
    return {number(ends[0], "gap"), number(ends[1], "gap")};
  }

  std::vector<Gap> gaps(std::string_view text) const {
    std::vector<Gap> gaps;
    for (std::string_view part : split(text, ' ')) {
      if (part.empty()) continue;
      Gap gap;
      const size_t window = part.find('@');
      gap.time = interval(part.substr(0, window), '-');
      if (window != std::string_view::npos) gap.window = interval(part.substr(window + 1), ':');
      gaps.push_back(gap);
    }
    std::sort(gaps.begin(), gaps.end(),
              [](const Gap& a, const Gap& b) { return a.time.lower < b.time.lower; });
    return gaps;
  }

  void read_row(const std::vector<std::string_view>& fields) {
    if (fields.size() != columns_.size())
      fail("has " + std::to_string(fields.size()) + " fields, the header " + std::to_string(columns_.size()));
    Buffer b;
    for (size_t i = 0; i < fields.size(); ++i) {
      switch (columns_[i]) {
        case 0: b.id = fields[i]; break;
        case 1: b.time.lower = number(fields[i], "lower"); break;
        case 2: b.time.upper = number(fields[i], "upper"); break;
        case 3: b.size = number(fields[i], "size"); break;
        case 4: b.gaps = gaps(fields[i]); break;
        default: number(fields[i], "offset");
      }
    }
    if (b.id.empty()) fail("the id is empty");
    if (const auto [first, fresh] = lines_.emplace(b.id, line_); !fresh)
      fail("the id '" + b.id + "' stands in line " + std::to_string(first->second) + " already");
    if (const std::string fault = fault_of(b); !fault.empty()) fail(fault);
    if (b.size > kMostBytes - total_) fail("the sizes up to here add up to over 2^62 bytes");
    total_ += b.size;
    buffers_.push_back(std::move(b));
  }

  std::string name_;
  size_t line_ = 0;
  int64_t total_ = 0;
  std::vector<size_t> columns_;  // in kColumns
  std::vector<Buffer> buffers_;
  std::unordered_map<std::string, size_t> lines_;
};

std::string text_of(const Gap& gap) {
  std::string text = std::to_string(gap.time.lower) + "-" + std::to_string(gap.time.upper);
  if (gap.window) text += "@" + std::to_string(gap.window->lower) + ":" + std::to_string(gap.window->upper);
  return text;
}

}  // namespace

std::vector<Buffer> parse_csv(std::string_view text, const std::string& name) {
  return Reader(name).read(text);
}

std::string to_csv(const std::vector<Buffer>& buffers, const std::vector<int64_t>& offsets) {
  const bool with_gaps =
      std::any_of(buffers.begin(), buffers.end(), [](const Buffer& b) { return !b.gaps.empty(); });
  std::string text = with_gaps ? "id,lower,upper,size,gaps,offset\n" : "id,lower,upper,size,offset\n";
  for (size_t i = 0; i < buffers.size(); ++i) {
    const Buffer& b = buffers[i];
    text += b.id + "," + std::to_string(b.time.lower) + "," + std::to_string(b.time.upper) + "," +
            std::to_string(b.size) + ",";
    for (size_t k = 0; k < b.gaps.size(); ++k) text += (k == 0 ? "" : " ") + text_of(b.gaps[k]);
    text += (with_gaps ? "," : "") + std::to_string(offsets[i]) + "\n";
  }
  return text;
}

}  // namespace tidemark::arena
