// PTX of a test, run on a grid.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "tests/gpu/emulated/grid.h"
#include "tests/gpu/emulated/module.h"

namespace tidemark::emulated {

struct PtxRun {
  DeviceMemory memory;
  uint64_t seed = 1;
  Dim grid{}, block{kLanes};
  size_t dynamic_shared = 0;
  Traffic traffic;

  template <typename T>
  T* allocate(size_t count) {
    auto* const at = static_cast<T*>(memory.allocate(count * sizeof(T), DeviceMemory::Kind::device));
    std::memset(at, 0, count * sizeof(T));
    return at;
  }
  /// `parameters`: .u64 each; `body` may use %r, %rd, %f, %fd, %rs and %p, the shared array `buffer` of 1,024
  /// bytes, and the parameters' values in %rd90, %rd91 and so on.
  void operator()(const std::string& body, const std::vector<const void*>& parameters,
                  const std::string& before = "") {
    std::string list, loads;
    for (size_t i = 0; i < parameters.size(); ++i) {
      const std::string name = "test_param_" + std::to_string(i);
      list += (i > 0 ? ", .param .u64 " : ".param .u64 ") + name;
      loads += "ld.param.u64 %rd" + std::to_string(90 + i) + ", [" + name + "];\n";
    }
    text = ".version 9.0\n.target sm_80\n.address_size 64\n" + before +
           "\n.extern .shared .align 16 .b8 dynamic[];\n.visible .entry test(" + list +
           ")\n{\n.reg .pred %p<9>;\n.reg .b16 %rs<9>;\n.reg .b32 %r<99>;\n.reg .b64 %rd<99>;\n.reg .f32 "
           "%f<99>;\n"
           ".reg .f64 %fd<9>;\n.shared .align 16 .b8 buffer[1024];\n" +
           loads + body + "\nret;\n}\n";
    Module module(text, memory);
    Launch launch{&module.function("test"), grid, block, dynamic_shared, {}};
    launch.parameters.resize(8 * parameters.size());
    if (!parameters.empty())
      std::memcpy(launch.parameters.data(), parameters.data(), launch.parameters.size());
    run_grid(launch, memory, seed, &traffic);
  }
  std::string text;
};

}  // namespace tidemark::emulated
