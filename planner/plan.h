// The plan: what a training step does, in which order, and where every byte of it lives.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "planner/arena/alignment.h"
#include "planner/arena/arena.h"
#include "planner/offload/offload.h"
#include "planner/schedule.h"

namespace tidemark {

enum class Decision : uint8_t { keep, recompute, offload };  ///< shard: not yet made by any strategy

struct PlanDevice {
  std::string name = "cpu";   ///< or "cuda"
  int threads = 1;            ///< of a CPU
  int64_t page_bytes = 4096;  ///< granularity of the arena's size
};

/// "cpu" with so many threads, or "cuda" with the pages that cudaMalloc takes from a GPU. Throws Error where
/// there is no such device.
PlanDevice plan_device(const std::string& name, int threads);
DeviceTraits traits_of(const PlanDevice& device);

struct Plan {
  std::string graph_name;
  std::string graph_fingerprint;  ///< fingerprint(graph) of the graph it is for
  PlanDevice device;
  int64_t budget_bytes = 0;  ///< 0: none was given
  int micro_batches = 1;
  std::string strategy;

  std::vector<Offload> offloads;      ///< in the order of time
  Schedule schedule;                  ///< with the offloads applied
  std::vector<int64_t> offsets;       ///< of each of schedule.buffers in the arena, bytes
  std::vector<int64_t> host_offsets;  ///< of each of schedule.host_buffers in the host's memory, bytes
  std::vector<Decision> decisions;    ///< of each value of the graph
  std::vector<double> step_seconds;   ///< predicted, of each of schedule.steps

  int64_t arena_bytes = 0;           ///< the predicted peak: end of the last buffer, in whole pages
  int64_t host_bytes = 0;            ///< of the host's memory, for what is offloaded
  int64_t live_bytes = 0;            ///< most bytes live at once: the lower bound of arena_bytes
  CategoryBytes peak_by_category{};  ///< live bytes at the peak step
  int32_t peak_step = 0;
  int64_t unplanned_peak_bytes = 0;  ///< arena_bytes of keep-all
  double predicted_seconds = 0;      ///< of one step
  double copy_seconds = 0;           ///< of these, those in which the ops wait for copies
  double unplanned_seconds = 0;
  double lower_bound_seconds = 0;  ///< no plan within this budget is faster, by the same cost model
  double gap = 0;                  ///< predicted_seconds / lower_bound_seconds - 1
  double solve_seconds = 0;
  std::string cost_model;  ///< as OpTimes::model
};

/// The first step of each phase. A phase without steps starts where the next one does. What runs behind
/// the first backward op is in the backward phase up to the last op of the body: forward ops that run
/// again, and optimizer ops between.
std::array<int32_t, kPhaseCount> phase_starts(const Graph& graph, const Schedule& schedule);

/// The schedule's buffers as the arena solver takes them: sizes rounded up to kArenaAlignment.
std::vector<ArenaBuffer> arena_buffers(const Schedule& schedule);

/// Of one step: the ops of the body count once per micro-batch. `op_seconds` has one entry per op.
double order_seconds(const Graph& graph, const std::vector<OpId>& order,
                     const std::vector<double>& op_seconds, int micro_batches);

/// Places the schedule's buffers, unless offsets are given, and fills every field that follows from
/// schedule and offsets. Throws Error if buffers that live at once overlap, or if there are several
/// micro-batches and the body cannot be repeated.
void finish_plan(const Graph& graph, Plan& plan);

nlohmann::json to_json(const Plan& plan, const Graph& graph);
/// Rejects, naming the field, whatever it does not understand, does not match `graph`, or does not hold
/// (a step before its inputs, buffers that overlap, sizes that differ). `where` names the file.
Plan plan_from_json(const nlohmann::json& json, const Graph& graph, const std::string& where);

void save_plan(const Plan& plan, const Graph& graph, const std::string& path);  ///< atomically
Plan load_plan(const std::string& path, const Graph& graph);

}  // namespace tidemark
