// What a device can do, as far as an op's time depends on it.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

namespace tidemark {

struct DeviceSpeed {
  double flops_per_second = 0;  ///< that matrix products reach, not the data sheet's
  double bytes_per_second = 0;  ///< between the chip and memory, streaming
  double seconds_per_op = 0;    ///< to start one op
};

/// A desktop or server core of the AVX2 generation times `threads`; memory bandwidth saturates sooner.
DeviceSpeed cpu_speed(int threads);

/// Keys flops_per_second, bytes_per_second, seconds_per_op. Throws Error naming the key that is missing,
/// unknown, not a number or out of range; `where` names the file.
DeviceSpeed device_speed_from_json(const nlohmann::json& json, const std::string& where);
nlohmann::json to_json(const DeviceSpeed& speed);

}  // namespace tidemark
