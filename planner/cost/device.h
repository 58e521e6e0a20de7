// What a device can do, as far as an op's time depends on it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "graph/op_def.h"

namespace tidemark {

/// Ops that the roofline gives `model_seconds` took `factor` times that.
struct Slowdown {
  double model_seconds = 0;
  double factor = 1;
};

struct DeviceSpeed {
  double flops_per_second = 0;       ///< that float32 matrix products reach, not the data sheet's
  double bf16_flops_per_second = 0;  ///< 0: the same
  double bytes_per_second = 0;       ///< between the chip and memory, streaming
  double seconds_per_op = 0;         ///< to start one op
  double host_bytes_per_second = 0;  ///< of a GPU, between its memory and the host's, each way; 0: unknown
  int threads = 0;                   ///< that it was calibrated with; 0: does not matter
  /// Of a calibrated device, by kind_and_dtype(): how far from the roofline ops of the kind are, by ascending
  /// model_seconds. Between two of them the factor is interpolated over the logarithm of the time.
  std::map<std::string, std::vector<Slowdown>> kinds = {};
};

/// Of the first operand that holds numbers: what the op computes with.
DType compute_dtype(const OpView& op);

/// "linear/bf16": what ops have in common whose distance from the roofline is alike.
std::string kind_and_dtype(const OpView& op);

/// The roofline (Williams et al. 2009): the slower of arithmetic and memory, plus the start.
double roofline_seconds(const Work& work, DType dtype, const DeviceSpeed& speed);

/// The roofline times the kind's factor, where the device was calibrated for it.
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
