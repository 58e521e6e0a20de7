#include "tests/gpu/emulated/grid.h"

#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <random>
#include <string>

namespace tidemark::emulated {
namespace {

void run_block(const Launch& l, std::vector<Warp>& warps, BlockState& state, std::mt19937_64& random) {
  std::vector<size_t> order(warps.size());
  std::iota(order.begin(), order.end(), 0);
  for (bool running = true; running;) {
    std::shuffle(order.begin(), order.end(), random);
    running = false;
    for (const size_t index : order) {
      Warp& warp = warps[index];
      if (warp.ended()) continue;
      try {
        warp.run();
      } catch (const Fault& fault) {
        throw Fault(fault.kind, std::string(fault.what()) + "; line " + std::to_string(warp.line()) +
                                    " of the PTX, warp " + std::to_string(index) + " of " +
                                    readable_name(l.function->name));
      }
      running |= !warp.ended();
    }
    for (Warp& warp : warps) warp.pass_barrier();
    ++state.phase;
  }
}

}  // namespace

std::string readable_name(const std::string& name) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(
      abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status), &std::free);
  return status == 0 ? text.get() : name;
}

void run_grid(const Launch& l, const DeviceMemory& memory, uint64_t seed, Traffic* traffic) {
  const Function& f = *l.function;
  std::mt19937_64 random(seed);
  BlockState state;
  state.memory = &memory;
  state.parameters = l.parameters.data();
  state.traffic = traffic;
  if (traffic) ++traffic->launches;
  const auto fixed =
      static_cast<size_t>(l.dynamic_shared_bytes > 0 ? (f.shared_bytes + kDynamicAlignment - 1) /
                                                           kDynamicAlignment * kDynamicAlignment
                                                     : f.shared_bytes);
  std::vector<Warp> warps((l.block.count() + kLanes - 1) / kLanes);
  std::vector<uint64_t> blocks(l.grid.count());
  std::iota(blocks.begin(), blocks.end(), 0);
  std::shuffle(blocks.begin(), blocks.end(), random);
  for (const uint64_t block : blocks) {
    const Dim at{static_cast<uint32_t>(block % l.grid.x), static_cast<uint32_t>(block / l.grid.x % l.grid.y),
                 static_cast<uint32_t>(block / l.grid.x / l.grid.y)};
    state.shared.reset(fixed + l.dynamic_shared_bytes);
    for (size_t i = 0; i < warps.size(); ++i)
      warps[i].begin(f, state, static_cast<int>(i), l.block, at, l.grid);
    run_block(l, warps, state, random);
  }
}

}  // namespace tidemark::emulated
