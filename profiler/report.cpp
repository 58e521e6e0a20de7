#include "profiler/report.h"

#include <algorithm>
#include <cstdio>
#include <ostream>

#include "base/units.h"

namespace tidemark {
namespace {

using nlohmann::json;

constexpr size_t kModuleRows = 12;
constexpr size_t kOpRows = 10;
constexpr size_t kNamedOpRows = 20;

template <typename... Args>
void line(std::ostream& out, const char* format, Args... args) {
  char text[256];
  std::snprintf(text, sizeof text, format, args...);
  out << text << "\n";
}

double share(int64_t part, int64_t whole) {
  return whole > 0 ? 100.0 * static_cast<double>(part) / static_cast<double>(whole) : 0;
}

bool begins_character(char c) {
  return (c & 0xC0) != 0x80;
}

/// A name of other programs' in at most `width` columns: its end, which of a dotted name says more than the
/// beginning. UTF-8 is not cut within a character, and no control character reaches the terminal.
std::string shortened(const std::string& name, size_t width) {
  std::vector<size_t> starts;  // of characters
  for (size_t i = 0; i < name.size(); ++i)
    if (begins_character(name[i])) starts.push_back(i);
  std::string text = starts.size() <= width ? name : "..." + name.substr(starts[starts.size() - width + 3]);
  std::ranges::replace_if(
      text, [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; }, '?');
  return text;
}

/// The same with blanks up to `width`: printf counts bytes.
std::string padded(const std::string& name, size_t width) {
  std::string text = shortened(name, width);
  const auto columns = std::ranges::count_if(text, begins_character);
  return text.append(width - static_cast<size_t>(columns), ' ');
}

/// "4711 on cuda:3, rank 3 of 8"
std::string process_of(const json& m) {
  const auto number = [&](const char* key) { return m.contains(key) ? m[key].dump() : "?"; };
  const auto device = m.find("device");
  std::string text = number("process");
  if (device != m.end() && device->is_string()) text += " on " + device->get<std::string>();
  if (m.contains("rank")) text += ", rank " + number("rank") + " of " + number("ranks");
  return shortened(text, 67);
}

void print_modules(std::ostream& out, const Attribution& a) {
  line(out, "\n%-44s %12s %8s", "at the peak, by module", "bytes", "share");
  int64_t rest = 0;
  for (size_t i = 0; i < a.modules.size(); ++i) {
    if (i >= kModuleRows) {
      rest += a.modules[i].bytes;
      continue;
    }
    line(out, "  %s %12s %6.1f %%", padded(a.modules[i].name, 42).c_str(),
         format_bytes(a.modules[i].bytes).c_str(), share(a.modules[i].bytes, a.peak_bytes));
  }
  if (rest > 0)
    line(out, "  %-42s %12s %6.1f %%", (std::to_string(a.modules.size() - kModuleRows) + " more").c_str(),
         format_bytes(rest).c_str(), share(rest, a.peak_bytes));
}

void print_ops(std::ostream& out, const Attribution& a) {
  double total = 0;
  for (const OpKindTime& k : a.op_kinds) total += k.seconds;
  line(out, "\n%-38s %6s %11s %8s %11s", "time in ops", "calls", "per step", "share", "recomputed");
  for (size_t i = 0; i < std::min(a.op_kinds.size(), kOpRows); ++i) {
    const OpKindTime& k = a.op_kinds[i];
    line(out, "  %s %6lld %11s %6.1f %% %11s", padded(k.kind, 36).c_str(), static_cast<long long>(k.calls),
         format_seconds(k.seconds).c_str(), total > 0 ? 100 * k.seconds / total : 0.0,
         k.recompute_seconds > 0 ? format_seconds(k.recompute_seconds).c_str() : "-");
  }
}

void print_named_ops(std::ostream& out, const Attribution& a) {
  double total = 0, rest = 0;
  for (const NamedOpTime& op : a.named_ops) total += op.seconds;
  const auto row = [&](const std::string& name, const std::string& calls, double seconds) {
    line(out, "  %s %10s %11s %6.1f %%", padded(name, 44).c_str(), calls.c_str(),
         format_seconds(seconds).c_str(), total > 0 ? 100 * seconds / total : 0.0);
  };
  line(out, "\n%-46s %10s %11s %8s", "time on the device, by op", "launches", "in all", "share");
  for (size_t i = 0; i < a.named_ops.size(); ++i) {
    const NamedOpTime& op = a.named_ops[i];
    if (i < kNamedOpRows)
      row(op.op, format_count(op.calls), op.seconds);
    else
      rest += op.seconds;
  }
  if (a.named_ops.size() > kNamedOpRows)
    row(std::to_string(a.named_ops.size() - kNamedOpRows) + " more", "", rest);
}

void print_device(std::ostream& out, const Attribution& a) {
  line(out, "device       %s in use at %.1f ms, says the driver; %.2f %% explained",
       format_bytes(a.device_used_bytes).c_str(), a.device_used_ms, 100 * a.coverage);
  const int64_t rest = a.device_used_bytes - a.device_explained_bytes;
  if (rest > 0)
    line(out, "unexplained  %s, which nobody asked for: code that was loaded, or of others",
         format_bytes(rest).c_str());
  if (rest < 0) line(out, "unexplained  %s more are explained than were in use", format_bytes(-rest).c_str());
}

}  // namespace

void print_report(std::ostream& out, const Trace& trace, const Attribution& a) {
  const json& m = trace.metadata();
  const size_t steps = trace.steps().size();
  out << "model        " << shortened(m.value("model", "?"), 67) << "\n";
  out << "trace        " << trace.path() << ", " << steps << " training step" << (steps == 1 ? ", " : "s, ")
      << trace.buffers().size() << " buffers\n";
  if (m.contains("process")) out << "process      " << process_of(m) << "\n";
  if (const json waits = m.value("waits", json()), seconds = m.value("wait_seconds", json());
      waits.is_number_integer() && seconds.is_number())
    line(out, "waits        %s times for the device, %s in all", format_count(waits.get<int64_t>()).c_str(),
         format_seconds(seconds.get<double>()).c_str());
  if (const auto complete = m.find("complete"); complete != m.end() && *complete == false)
    line(out, "incomplete   the program was ended; what it did last may be missing");
  if (const json::const_iterator lost = m.find("dropped_records");
      lost != m.end() && lost->is_number_integer() && lost->get<int64_t>() > 0)
    line(out, "incomplete   the driver dropped %s records of what the program did",
         format_count(lost->get<int64_t>()).c_str());
  if (m.contains("mapped_memory_unseen"))
    line(out, "incomplete   memory that is mapped (cuMemMap) is not seen: another profiler runs");
  if (const json unseen = m.value("graph_ops_unseen", json()); unseen.is_string())
    line(out, "incomplete   CUDA graphs have no ops: %s", shortened(unseen.get<std::string>(), 42).c_str());
  if (!trace.damage().empty())
    line(out, "damaged      %s; what comes before it is shown", trace.damage().c_str());
  line(out, "peak         %s live at %.1f ms, in %s", format_bytes(a.peak_bytes).c_str(), a.peak_ms,
       shortened(trace.program()[static_cast<size_t>(a.peak_step)].op, 36).c_str());
  if (a.device_used_bytes > 0)
    print_device(out, a);
  else if (a.arena_resident_bytes > 0)
    line(out, "arena        %s bytes resident, %.2f %% of them attributed",
         format_count(a.arena_resident_bytes).c_str(), 100 * a.coverage);

  line(out, "\n%-44s %12s %8s", "at the peak, by category", "bytes", "share");
  for (int c = 0; c < kCategoryCount; ++c)
    if (const int64_t bytes = a.categories[static_cast<size_t>(c)]; bytes > 0)
      line(out, "  %-42s %12s %6.1f %%", std::string(name_of(static_cast<Category>(c))).c_str(),
           format_bytes(bytes).c_str(), share(bytes, a.peak_bytes));
  print_modules(out, a);

  line(out, "\n%-44s %12s  %s", ("the " + std::to_string(a.largest.size()) + " largest values then").c_str(),
       "bytes", "category");
  for (const TraceBuffer& b : a.largest)
    line(out, "  %s %12s  %s", padded(b.name, 42).c_str(), format_bytes(b.bytes).c_str(),
         std::string(name_of(b.category)).c_str());
  print_ops(out, a);
  if (!a.named_ops.empty()) print_named_ops(out, a);
}

json report_json(const Trace& trace, const Attribution& a) {
  json categories = json::object(), modules = json::array(), values = json::array(), ops = json::array();
  for (int c = 0; c < kCategoryCount; ++c)
    categories[std::string(name_of(static_cast<Category>(c)))] = a.categories[static_cast<size_t>(c)];
  for (const NamedBytes& m : a.modules) modules.push_back({{"module", m.name}, {"bytes", m.bytes}});
  for (const TraceBuffer& b : a.largest)
    values.push_back({{"name", b.name},
                      {"type", b.type},
                      {"op", b.op},
                      {"module", b.module},
                      {"category", name_of(b.category)},
                      {"bytes", b.bytes}});
  for (const OpKindTime& k : a.op_kinds)
    ops.push_back({{"kind", k.kind},
                   {"calls", k.calls},
                   {"seconds", k.seconds},
                   {"recompute_seconds", k.recompute_seconds}});
  json named_ops = json::array();
  for (const NamedOpTime& op : a.named_ops)
    named_ops.push_back({{"op", op.op}, {"calls", op.calls}, {"seconds", op.seconds}});
  return {{"metadata", trace.metadata()},
          {"training_steps", trace.steps().size()},
          {"step_seconds", a.step_seconds},
          {"damage", trace.damage()},
          {"peak_bytes", a.peak_bytes},
          {"peak_step", a.peak_step},
          {"peak_op", trace.program()[static_cast<size_t>(a.peak_step)].op},
          {"arena_bytes", a.arena_bytes},
          {"arena_resident_bytes", a.arena_resident_bytes},
          {"coverage", a.coverage},
          {"device_used_bytes", a.device_used_bytes},
          {"device_explained_bytes", a.device_explained_bytes},
          {"categories", categories},
          {"modules", modules},
          {"largest_values", values},
          {"ops", ops},
          {"named_ops", named_ops}};
}

}  // namespace tidemark
