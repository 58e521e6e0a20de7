// From measured times of ops to the description of the device they ran on.
#pragma once

#include <string>
#include <vector>

#include "planner/cost/device.h"

namespace tidemark {

/// One op that ran.
struct OpSample {
  std::string kind;  ///< detailed_kind()
  DType dtype = DType::f32;
  Work work;
  std::vector<double> size;  ///< size_of()
  double seconds = 0;
};

OpSample op_sample(const OpView& op, double seconds);

/// What ops of one kind did and took, all together.
struct KindTotal {
  std::string kind;
  DType dtype = DType::f32;
  Work work;
  double seconds = 0;
};

/// The longest first; without ops too short for the clock.
std::vector<KindTotal> totals_by_kind(const std::vector<OpSample>& samples);

/// The roofline is drawn at the best rates that any kind of op keeps up on the whole; what each kind took is
/// kept for every size that was seen. Throws Error where nothing ran.
DeviceSpeed calibrated_speed(const std::vector<OpSample>& samples, int threads);

}  // namespace tidemark
