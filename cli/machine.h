// What this machine has: processors, and NVIDIA's software, found without linking to any of it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tidemark::cli {

struct MachineCheck {
  enum class Status { ok, limited, missing };

  std::string name;
  Status status = Status::missing;
  std::string found;   ///< versions, devices, or why it is missing
  std::string remedy;  ///< what to do; empty where it is ok
};

std::string_view name_of(MachineCheck::Status status);

/// Processors, driver, devices, CUDA runtime, cuBLASLt, CUPTI, access to hardware counters, NCCL, peer
/// access: always all of them, in this order.
std::vector<MachineCheck> check_machine();

}  // namespace tidemark::cli
