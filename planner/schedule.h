// An order of ops bound to buffers: which storage each step reads and writes, and how long it lives.
//
// A plan is, at heart, an order of ops in which an op may stand more than once (recomputation). Every
// read means the latest instance of a value, and an instance dies after its last read, so the order
// alone says what is kept: nothing else can disagree with it.
#pragma once

#include <cstdint>
#include <vector>

#include "graph/graph.h"
#include "graph/op_def.h"

namespace tidemark {

/// One piece of storage. Several value instances share it where an op works in place.
struct Buffer {
  std::vector<ValueId> values;  ///< in the order they occupy it; empty: an op's workspace
  Category category = Category::activation;
  int64_t bytes = 0;
  int32_t first_step = 0;  ///< inclusive; a persistent buffer spans all steps
  int32_t last_step = 0;   ///< inclusive
  bool persistent = false;
  bool operator==(const Buffer&) const = default;
};

struct Step {
  OpId op = kNone;
  bool recompute = false;        ///< an earlier step ran this op already
  std::vector<int32_t> inputs;   ///< buffer of each input, kNone where absent
  std::vector<int32_t> outputs;  ///< buffer of each output, kNone where absent
  int32_t workspace = kNone;     ///< buffer of the scratch space, kNone where the op needs none
};

/// Storage in the host's memory, outside the arena.
struct HostBuffer {
  ValueId value = kNone;
  int64_t bytes = 0;
  int32_t first_step = 0;   ///< inclusive
  int32_t last_step = 0;    ///< inclusive
  bool persistent = false;  ///< the value lives here between steps, and is in the arena only for a while
  bool operator==(const HostBuffer&) const = default;
};

/// A copy that runs beside the steps. Point p lies between step p - 1 and step p; at a point, copies to the
/// host come before copies from it, which may therefore fill what those have emptied.
struct Transfer {
  bool to_host = false;
  int32_t buffer = kNone;  ///< of the schedule's buffers
  int32_t host = kNone;    ///< of its host buffers
  int32_t begin = 0;       ///< the point from which on it may run
  int32_t end = 0;         ///< the point by which it is done, the same as begin or later
  bool operator==(const Transfer&) const = default;
};

struct Schedule {
  std::vector<Step> steps;
  std::vector<Buffer> buffers;
  std::vector<HostBuffer> host_buffers = {};
  std::vector<Transfer> transfers = {};
};

/// What happens at a point, as indices into Schedule::transfers.
struct TransferPoint {
  std::vector<int32_t> send, sent;      ///< to the host: may start, must be done; behind step p - 1
  std::vector<int32_t> fetch, fetched;  ///< from the host, before step p
};
/// One more than steps.
std::vector<TransferPoint> transfer_points(const Schedule& schedule);

/// The order in which the graph lists its ops.
std::vector<OpId> program_order(const Graph& graph);

/// Whether an order may hold the op more than once: a forward op that updates nothing in place.
bool may_run_again(const Op& op);

/// Binds `order` to buffers on a device with these traits. Steps keep the order: the ops of `prepare`
/// first, the others in any order in which every value is made before it is read and read before it is
/// overwritten; some again. So an optimizer op may update its parameter as soon as the
/// gradient is there. Throws Error naming the op where one is missing, runs again though it must not, or
/// reads what is not there.
Schedule make_schedule(const Graph& graph, const std::vector<OpId>& order, const DeviceTraits& device);

/// Throws Error unless forward and backward can run once for each of several micro-batches before the
/// optimizer: it must come last, and what it reads of them must be in persistent storage, or be an output
/// of the graph.
void check_repeatable(const Graph& graph, const Schedule& schedule);

/// Drops, until nothing changes, the recomputing steps none of whose outputs is read before it is
/// made again.
std::vector<OpId> without_dead_steps(const Graph& graph, std::vector<OpId> order);

/// Bytes live at each step: a lower bound on any placement. Sizes are rounded up to `alignment`.
std::vector<int64_t> live_bytes(const Schedule& schedule, int64_t alignment);

}  // namespace tidemark
