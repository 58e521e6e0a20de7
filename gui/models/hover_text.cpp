#include "gui/models/hover_text.h"

#include "base/ticks.h"
#include "base/units.h"

namespace tidemark::gui {
namespace {

QString text(const std::string& utf8) {
  return QString::fromStdString(utf8).toHtmlEscaped();
}

QString row(const QString& label, const QString& value) {
  return QStringLiteral("<tr><td style='padding-right:10px'>%1</td><td>%2</td></tr>").arg(label, value);
}

std::string count_of_micro_batch(const Scene& scene, const Segment& s) {
  if (scene.micro_batches <= 1 || s.micro_batch < 0) return {};
  return ", micro-batch " + std::to_string(s.micro_batch + 1) + " of " + std::to_string(scene.micro_batches);
}

/// "steps 3 to 17, 12.3 ms", or "always".
std::string life_of(const StepClock& clock, size_t segment, const TraceBuffer& b) {
  if (b.persistent) return "always";
  std::string life = "steps " + format_count(b.first_step) + " to " + format_count(b.last_step);
  const double now = clock[segment].begin;
  for (const StepClock::Span& span : clock.spans(b.first_step, b.last_step, now, now))
    if (span.first_segment <= segment && segment < span.past_segment)
      life += ", " + format_seconds(clock.seconds_between(span.first_segment, span.past_segment));
  return life;
}

QString buffer_rows(const StepClock& clock, size_t segment, const TraceBuffer& b) {
  QString rows = row("bytes", text(format_bytes(b.bytes) + " (" + format_count(b.bytes) + ")"));
  rows += row("category", text(std::string(name_of(b.category))));
  if (!b.type.empty()) rows += row("type", text(b.type));
  if (!b.op.empty()) rows += row("made by", text(b.op));
  if (!b.module.empty()) rows += row("module", text(b.module));
  return rows + row("lives", text(life_of(clock, segment, b)));
}

QString op_rows(const Scene& scene, const Segment& s) {
  const ProgramStep& step = scene.main.program->steps[static_cast<size_t>(s.step)];
  const std::string kind = step.kind.empty() ? "" : " (" + step.kind.str() + ")";
  const std::string when = fine_seconds(s.time) + ", step " + format_count(s.step);
  QString rows = row("at", text(when + count_of_micro_batch(scene, s)));
  rows += row("op", text(step.op.str() + kind));
  if (!step.module.empty()) rows += row("module", text(step.module));
  rows += row("phase", text(std::string(name_of(step.phase)) + (step.recompute ? ", recomputed" : "")));
  rows += row("takes", text(format_seconds(s.seconds)));
  return rows + row("live", text(format_bytes(total(scene.main.program->live[static_cast<size_t>(s.step)]))));
}

}  // namespace

QString hover_text(const Scene& scene, size_t segment, int32_t buffer) {
  const Segment& s = scene.main.clock[segment];
  QString html;
  if (buffer >= 0) {
    const TraceBuffer& b = scene.main.program->buffers[static_cast<size_t>(buffer)];
    html = QStringLiteral("<b>%1</b><table>%2</table><hr>")
               .arg(text(b.name), buffer_rows(scene.main.clock, segment, b));
  }
  return html + QStringLiteral("<table>%1</table>").arg(op_rows(scene, s));
}

}  // namespace tidemark::gui
