// The events of a Kineto trace (torch.profiler's export_chrome_trace) that say something about memory and
// time, read in one pass.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace tidemark {

struct KinetoEvent {
  enum Kind : uint8_t { op, annotation, module, memory, device_work };

  int64_t start_ns = 0, duration_ns = 0;
  int32_t thread = 0;
  uint32_t name = 0;  ///< in KinetoEvents::names
  Kind kind = op;
  bool has_forward_thread = false;  ///< of an op: the autograd engine runs it for an op of another thread
  int16_t device = -1;              ///< of memory and device work: in KinetoEvents::devices
  int64_t external_id = -1, sequence = -1;          ///< of an op and of device work; -1: none
  uint64_t address = 0;                             ///< of memory, as all that follows
  int64_t bytes = 0;                                ///< negative: freed
  int64_t total_allocated = 0, total_reserved = 0;  ///< after it
};

struct KinetoEvents {
  std::vector<KinetoEvent> events;  ///< by start; of those that start together the longest first
  std::vector<std::string> names;
  std::vector<std::string> devices;  ///< "cpu", "cuda:0"
};

/// Reads `path`, gzipped or not, in memory that grows with the events that count and not with the file.
/// Throws Error where it is not JSON, not a trace, or a field of an event cannot be.
KinetoEvents read_kineto(const std::string& path);

}  // namespace tidemark
