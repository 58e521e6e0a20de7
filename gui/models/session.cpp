#include "gui/models/session.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "base/json_file.h"
#include "profiler/trace_format.h"

namespace tidemark::gui {
namespace {

constexpr const char* kOpening = "cannot open the file";

Error second_of_a_kind(const std::string& path, const std::string& kind) {
  return Error("cannot show the files", path, "it is a second " + kind, "give one trace, one plan, or both");
}

bool starts_like_a_trace(std::span<const std::byte> bytes) {
  return bytes.size() >= sizeof tide::kMagic &&
         std::memcmp(bytes.data(), tide::kMagic, sizeof tide::kMagic) == 0;
}

bool starts_like_json(std::span<const std::byte> bytes) {
  const auto is_space = [](std::byte b) { return std::strchr(" \t\r\n", static_cast<char>(b)) != nullptr; };
  const auto first = std::ranges::find_if_not(bytes, is_space);
  return first != bytes.end() && *first == std::byte{'{'};
}

/// What PyTorch's profilers write: gzip, a pickle, or trace events as JSON.
bool starts_like_a_recording(std::span<const std::byte> bytes) {
  const std::string_view begin(reinterpret_cast<const char*>(bytes.data()),
                               std::min<size_t>(bytes.size(), 1 << 16));
  return begin.starts_with("\x1f\x8b") || begin.starts_with("\x80") ||
         begin.find("\"traceEvents\"") != std::string_view::npos;
}

}  // namespace

Session::Session(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) open(path);
  if (!trace_ && !plan_)
    throw Error("cannot show the files", "command line", "none is named",
                "give a .tide trace or a plan.json");
  same_ops_ = traced_ && planned_ && same_ops(*traced_, *planned_);
  ran_the_plan_ = same_ops_ && same_buffers(*traced_, *planned_);
}

void Session::open(const std::string& path) {
  const MappedFile file(path, kOpening);
  if (starts_like_a_trace(file.bytes())) {
    if (trace_) throw second_of_a_kind(path, "trace");
    trace_ = std::make_shared<Trace>(path);
    traced_ = std::make_shared<Program>(program_of(trace_));
  } else if (starts_like_a_recording(file.bytes())) {
    throw Error(kOpening, path, "it is neither a trace nor a plan",
                "of a recording of PyTorch's, 'tidemark import' makes a trace");
  } else if (starts_like_json(file.bytes())) {
    if (plan_) throw second_of_a_kind(path, "plan");
    plan_ = load_plan_timeline(path);
    planned_ = std::make_shared<Program>(program_of(*plan_));
  } else {
    throw Error(kOpening, path, "it is neither a trace nor a plan",
                "give a file that 'tidemark profile --out' or 'tidemark plan --out' wrote");
  }
}

std::string Session::title() const {
  if (plan_ && !trace_) return plan_->graph_name;
  return trace_->metadata().value("model", "unnamed model");
}

std::vector<int64_t> Session::training_steps() const {
  std::vector<int64_t> numbers;
  if (!trace_) return numbers;
  for (const Run& run : trace_->runs())
    if (numbers.empty() || numbers.back() != run.training_step) numbers.push_back(run.training_step);
  std::ranges::sort(numbers);
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  std::vector<int64_t> complete;
  for (const TrainingStep& step : trace_->steps())
    if (std::ranges::binary_search(numbers, step.number)) complete.push_back(step.number);
  if (complete.empty() && !numbers.empty()) return {numbers.back()};
  std::ranges::sort(complete);
  return complete;
}

Scene Session::scene(std::optional<int64_t> training_step, AxisUnit unit) const {
  Scene scene;
  scene.measured = trace_ != nullptr;
  if (plan_) {
    scene.budget_bytes = plan_->budget_bytes;
    scene.plan_peak_bytes = plan_->predicted_peak_bytes;
  }
  if (!trace_) {
    scene.main = {planned_, predicted_clock(*plan_)};
  } else {
    scene.main.program = traced_;
    if (training_step) scene.main.clock = measured_clock(*trace_, *training_step);
    if (plan_) scene.planned = {planned_, same_ops_ ? scene.main.clock : predicted_clock(*plan_)};
  }
  for (size_t i = 0; i < scene.main.clock.size(); ++i)
    scene.micro_batches =
        std::max<int64_t>(scene.micro_batches, int64_t{scene.main.clock[i].micro_batch} + 1);
  const bool timeless = scene.main.clock.end() <= scene.main.clock.begin();
  if (unit == AxisUnit::ops || timeless)
    for (Curve* curve : {&scene.main, &scene.planned}) curve->clock = counting_ops(curve->clock);
  scene.arena_bytes = std::max(scene.main.program->arena_bytes, scene.plan_peak_bytes);
  return scene;
}

bool Session::refresh() {
  return trace_ && trace_->refresh();
}

}  // namespace tidemark::gui
