#include "base/name.h"

#include <charconv>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <unordered_map>

namespace tidemark {
namespace {

constexpr std::string_view kBeforeNumber = " #";

/// All texts that names were made of. They are never given back and never move, so that reading one takes no
/// lock: who has its number got it after it was there.
class Texts {
 public:
  Texts() { number_of(""); }

  uint32_t number_of(std::string_view text) {
    const std::lock_guard lock(mutex_);
    if (const auto it = numbers_.find(text); it != numbers_.end()) return it->second;
    if (count_ == kChunks * kPerChunk) throw std::length_error("too many names");
    std::unique_ptr<std::string[]>& chunk = chunks_[count_ / kPerChunk];
    if (!chunk) chunk = std::make_unique<std::string[]>(kPerChunk);
    std::string& place = chunk[count_ % kPerChunk];
    place = text;
    numbers_.emplace(place, count_);
    return count_++;
  }
  const std::string& operator[](uint32_t number) const {
    return chunks_[number / kPerChunk][number % kPerChunk];
  }

 private:
  static constexpr uint32_t kPerChunk = 1 << 12, kChunks = 1 << 16;

  std::mutex mutex_;
  std::unordered_map<std::string_view, uint32_t> numbers_;
  uint32_t count_ = 0;
  std::unique_ptr<std::string[]> chunks_[kChunks];
};

/// Never destroyed: names of static lifetime may be read last.
Texts& texts() {
  static Texts& all = *new Texts;
  return all;
}

/// Splits " #12" off; -1 where `text` does not end in a number as std::to_string writes it.
int32_t split_number(std::string_view& text) {
  const size_t at = text.rfind(kBeforeNumber);
  if (at == std::string_view::npos) return -1;
  const std::string_view digits = text.substr(at + kBeforeNumber.size());
  int32_t number = -1;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  const bool is_number = error == std::errc() && end == digits.data() + digits.size() && number >= 0;
  if (!is_number || (digits.front() == '0' && digits.size() > 1) || digits.front() == '-') return -1;
  text = text.substr(0, at);
  return number;
}

}  // namespace

Name::Name(std::string_view text) {
  if (text.empty()) return;
  number_ = split_number(text);
  text_ = texts().number_of(text);
}

Name Name::numbered(const Name& text, int32_t number) {
  return {text.number_ < 0 ? text.text_ : texts().number_of(text.str()), number};
}

const std::string& Name::text() const {
  return texts()[text_];
}

std::string Name::str() const {
  if (number_ < 0) return text();
  return text() + std::string(kBeforeNumber) + std::to_string(number_);
}

}  // namespace tidemark
