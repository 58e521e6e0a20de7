// What a device can do, as far as an op's time depends on it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "graph/op_def.h"

namespace tidemark {

/// Ops of this size took `seconds`.
struct MeasuredSize {
  double seconds = 0;
  std::vector<double> size;  ///< size_of()
};

struct DeviceSpeed {
  double flops_per_second = 0;       ///< that float32 matrix products reach, not the data sheet's
  double bf16_flops_per_second = 0;  ///< 0: the same
  double bytes_per_second = 0;       ///< between the chip and memory, streaming
  double seconds_per_op = 0;         ///< to start one op
  double host_bytes_per_second = 0;  ///< of a GPU, between its memory and the host's, each way; 0: unknown
  int threads = 0;                   ///< that it was calibrated with; 0: does not matter
  /// Of a calibrated device, by detailed_kind(). How far from the roofline an op is, is interpolated between
  /// those of its kind that are most like it.
  std::map<std::string, std::vector<MeasuredSize>> kinds = {};
};

/// Of the first operand that holds numbers: what the op computes with.
DType compute_dtype(const OpView& op);

/// "linear/bf16".
std::string kind_and_dtype(const OpView& op);
/// "linear/bf16+bias": which optional operands it has, and attributes that are words or flags, on top. What
/// ops have in common that differ in size only.
std::string detailed_kind(const OpView& op);
/// FLOPs, bytes, rows of the first operand, then integer attributes in the order of their names.
std::vector<double> size_of(const OpView& op);

/// The roofline (Williams et al. 2009): the slower of arithmetic and memory, plus the start.
double roofline_seconds(const Work& work, DType dtype, const DeviceSpeed& speed);

/// The roofline, times the factor that ops like it were measured to take over theirs; of those of the same
/// kind_and_dtype() where none of its detailed_kind() was measured.
double op_seconds(const OpView& op, const DeviceSpeed& speed);

/// A desktop or server core of the AVX2 generation times `threads`; memory bandwidth saturates sooner.
DeviceSpeed cpu_speed(int threads);

/// The devices that come with Tidemark: "a100", "h100"…
const std::map<std::string, std::string>& device_descriptions();
std::string device_names();  ///< "a100, h100"

/// One of device_descriptions(), or a file. Throws Error naming the file and key that is missing, unknown,
/// not a number or out of range.
DeviceSpeed device_speed(const std::string& name_or_path);
DeviceSpeed device_speed_from_json(const nlohmann::json& json, const std::string& where);
nlohmann::json to_json(const DeviceSpeed& speed);

}  // namespace tidemark
