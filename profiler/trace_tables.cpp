#include "profiler/trace_tables.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace tidemark::tide {
namespace {

using nlohmann::json;

/// So that what is lost with a damaged frame, or held back for a full one, is little.
constexpr size_t kFrameBytes = size_t{1} << 16;

/// More than any machine has, and so little that sums of it do not overflow.
constexpr int64_t kMostBytes = int64_t{1} << 60;

constexpr uint8_t kRecompute = 1 << 2;   ///< beside a phase
constexpr uint8_t kPersistent = 1 << 3;  ///< beside a category
static_assert(kPhaseCount <= kRecompute && kCategoryCount <= kPersistent);

/// Names from elsewhere need not be UTF-8.
std::string text_of(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

/// Calls `read`, whose json errors become ones that name the file.
template <typename Read>
void guarded(const std::string& path, Read read) {
  try {
    read();
  } catch (const json::exception& e) {
    throw unreadable(path, std::string("its tables are damaged: ") + e.what());
  }
}

json parse(std::span<const std::byte> payload, const json::parser_callback_t& callback = nullptr) {
  const auto* text = reinterpret_cast<const char*>(payload.data());
  return json::parse(text, text + payload.size(), callback);
}

template <typename T>
T integer(const json& number, const std::string& path) {
  if (!number.is_number_integer()) throw unreadable(path, "its tables are damaged: not an integer");
  return number.get<T>();
}

ProgramStep step_from(const json& row, const std::string& path) {
  const auto op = row.at(0).get<std::string>();
  return {op, row.at(1).get<std::string>(), row.at(2).get<std::string>(),
          phase_from(row.at(3).get<std::string>(), path + ", op '" + op + "'"), row.at(4).get<bool>()};
}

TraceBuffer buffer_from(const json& row, const std::string& path) {
  const auto name = row.at(0).get<std::string>();
  return {name,
          row.at(1).get<std::string>(),
          row.at(2).get<std::string>(),
          row.at(3).get<std::string>(),
          category_from(row.at(4).get<std::string>(), path + ", buffer '" + name + "'"),
          integer<int64_t>(row.at(5), path),
          integer<int64_t>(row.at(6), path),
          integer<int32_t>(row.at(7), path),
          integer<int32_t>(row.at(8), path),
          row.at(9).get<bool>()};
}

}  // namespace

// --- writing

TablesEncoder::TablesEncoder(Sink sink, const json& metadata, size_t steps, size_t buffers)
    : sink_(std::move(sink)) {
  const std::string head = "{\"metadata\":" + text_of(metadata) + ",\"program\":" + std::to_string(steps) +
                           ",\"buffers\":" + std::to_string(buffers) + "}";
  sink_(kTables, std::as_bytes(std::span(head)));
}

/// The number of its text and whether it ends in a number, then that one.
void TablesEncoder::put(const Name& name) {
  const auto [it, is_new] = numbers_.try_emplace(&name.text(), numbers_.size());
  if (is_new) new_texts_ += (new_texts_.empty() ? "[" : ",") + text_of(name.text());
  put_varint(rows_, it->second << 1 | (name.number() >= 0 ? 1 : 0));
  if (name.number() >= 0) put_varint(rows_, static_cast<uint64_t>(name.number()));
}

void TablesEncoder::add(const ProgramStep& step) {
  put(step.op);
  put(step.kind);
  put(step.module);
  put_varint(rows_, static_cast<uint64_t>(step.phase) | (step.recompute ? kRecompute : 0));
  if (rows_.size() + new_texts_.size() >= kFrameBytes) flush(kProgram);
}

void TablesEncoder::add(const TraceBuffer& b) {
  if (!std::exchange(in_buffers_, true)) flush(kProgram);
  put(b.name);
  put(b.type);
  put(b.op);
  put(b.module);
  put_varint(rows_, static_cast<uint64_t>(b.category) | (b.persistent ? kPersistent : 0));
  put_varint(rows_, static_cast<uint64_t>(b.bytes));
  put_varint(rows_, static_cast<uint64_t>(b.offset));
  put_varint(rows_, static_cast<uint64_t>(b.first_step));
  put_varint(rows_, static_cast<uint64_t>(b.last_step - b.first_step));
  if (rows_.size() + new_texts_.size() >= kFrameBytes) flush(kBuffers);
}

/// Texts go before the rows that name them.
void TablesEncoder::flush(FrameType rows) {
  if (!new_texts_.empty()) {
    new_texts_ += ']';
    sink_(kTexts, std::as_bytes(std::span(new_texts_)));
    new_texts_.clear();
  }
  if (!rows_.empty()) sink_(rows, rows_);
  rows_.clear();
}

// --- reading

/// A row at a time, for files of version 1 may be imports with millions.
void TablesDecoder::read_one_frame(std::span<const std::byte> payload) {
  std::string table;
  const auto keep = [&](int depth, json::parse_event_t event, json& value) {
    if (depth == 1 && event == json::parse_event_t::key) table = value.get<std::string>();
    if (depth != 2 || event != json::parse_event_t::array_end) return true;
    if (table == "program")
      out_.program.push_back(step_from(value, path_));
    else if (table == "buffers")
      out_.buffers.push_back(buffer_from(value, path_));
    else
      return true;
    return false;
  };
  guarded(path_, [&] {
    json tables = parse(payload, keep);
    set_metadata(tables.at("metadata"));
    for (const char* rows : {"program", "buffers"})
      if (!tables.at(rows).is_array() || !tables.at(rows).empty())
        throw unreadable(path_, std::string("its tables are damaged: ") + rows);
  });
  if (out_.program.empty()) throw unreadable(path_, "its program has no ops");
  check_buffers();
  complete_ = true;
}

bool TablesDecoder::read(uint32_t type, std::span<const std::byte> payload) {
  if (complete_ || has_head_ == (type == kTables)) return false;
  switch (type) {
    case kTables: read_head(payload); break;
    case kTexts: read_texts(payload); break;
    case kProgram: read_program(VarintReader(payload)); break;
    case kBuffers: read_buffers(VarintReader(payload)); break;
    default: return false;
  }
  if (out_.program.size() > steps_ || out_.buffers.size() > buffers_)
    throw unreadable(path_, "its tables are damaged: more rows than they should have");
  complete_ = out_.program.size() == steps_ && out_.buffers.size() == buffers_;
  if (complete_) check_buffers();
  return true;
}

void TablesDecoder::set_metadata(json metadata) {
  out_.metadata = std::move(metadata);
  if (!out_.metadata.is_object() || !out_.metadata.value("model", json("")).is_string())
    throw unreadable(path_, "its metadata are damaged");
}

void TablesDecoder::read_head(std::span<const std::byte> payload) {
  guarded(path_, [&] {
    const json head = parse(payload);
    set_metadata(head.at("metadata"));
    steps_ = head.at("program").get<uint32_t>();
    buffers_ = head.at("buffers").get<uint32_t>();
    if (!head.at("program").is_number_unsigned() || !head.at("buffers").is_number_unsigned() ||
        steps_ != head.at("program") || buffers_ != head.at("buffers") || steps_ == 0 || steps_ > INT32_MAX)
      throw unreadable(path_, "its tables are damaged: no number of rows");
  });
  has_head_ = true;
}

void TablesDecoder::read_texts(std::span<const std::byte> payload) {
  guarded(path_, [&] {
    for (const json& text : parse(payload)) {
      const auto& words = text.get_ref<const std::string&>();
      texts_.push_back({Name(words), Name::numbered(words, 0)});
    }
  });
}

Name TablesDecoder::name(VarintReader& row) const {
  const uint64_t text = row.next();
  const uint64_t number = (text & 1) != 0 ? row.next() : 0;
  if (text >> 1 >= texts_.size() || number > INT32_MAX)
    throw unreadable(path_, "its tables are damaged: a name that it does not have");
  const Text& t = texts_[text >> 1];
  return (text & 1) != 0 ? t.before_number.with_number(static_cast<int32_t>(number)) : t.alone;
}

void TablesDecoder::read_program(VarintReader rows) {
  while (!rows.at_end()) {
    ProgramStep s{name(rows), name(rows), name(rows)};
    const uint64_t flags = rows.next();
    if (!rows.good() || flags >= 2 * kRecompute)
      throw unreadable(path_, "its tables are damaged: the phase of op '" + s.op.str() + "'");
    s.phase = static_cast<Phase>(flags % kRecompute);
    s.recompute = flags >= kRecompute;
    out_.program.push_back(s);
  }
}

void TablesDecoder::read_buffers(VarintReader rows) {
  while (!rows.at_end()) {
    TraceBuffer b{name(rows), name(rows), name(rows), name(rows)};
    const uint64_t flags = rows.next(), bytes = rows.next(), offset = rows.next(), first = rows.next(),
                   more = rows.next();
    if (!rows.good() || flags >= 2 * kPersistent)
      throw unreadable(path_, "its tables are damaged: the category of buffer '" + b.name.str() + "'");
    b.category = static_cast<Category>(flags % kPersistent);
    b.persistent = flags >= kPersistent;
    // What is too large stays so.
    const auto bounded = [](uint64_t value, uint64_t most) { return std::min(value, most + 1); };
    b.bytes = static_cast<int64_t>(bounded(bytes, kMostBytes));
    b.offset = static_cast<int64_t>(bounded(offset, kMostBytes));
    b.first_step = static_cast<int32_t>(bounded(first, steps_));
    b.last_step = static_cast<int32_t>(bounded(bounded(first, steps_) + bounded(more, steps_), steps_));
    out_.buffers.push_back(b);
  }
}

void TablesDecoder::check_buffers() const {
  int64_t total = 0;
  const auto steps = static_cast<int64_t>(out_.program.size());
  for (const TraceBuffer& b : out_.buffers) {
    const bool placed = b.bytes >= 0 && b.bytes <= kMostBytes && b.offset >= 0 && b.offset <= kMostBytes;
    if (!placed || b.first_step < 0 || b.last_step < b.first_step || b.last_step >= steps)
      throw unreadable(path_, "the size, place or life of buffer '" + b.name.str() + "' cannot be");
    total += b.bytes;
    if (total > kMostBytes) throw unreadable(path_, "its buffers are larger than any memory");
  }
}

}  // namespace tidemark::tide
