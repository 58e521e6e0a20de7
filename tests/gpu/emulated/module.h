// The functions and variables of one PTX text; a function is decoded when it is first asked for.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "tests/gpu/emulated/device_memory.h"
#include "tests/gpu/emulated/ptx.h"

namespace tidemark::emulated {

class Module {
 public:
  /// Variables get memory of the device's. Throws Fault where the text has what the interpreter does not
  /// know.
  Module(std::string text, DeviceMemory& memory);
  ~Module();
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  const Function& function(std::string_view name);

 private:
  friend class FunctionParser;
  struct Source {
    std::string_view text;  ///< from its parameters to its last brace
    bool entry;
    int line;
    std::unique_ptr<Function> decoded;
  };

  void find_functions();
  void add_variable(std::string_view declaration);

  std::string text_;
  DeviceMemory& memory_;
  std::map<std::string, Source, std::less<>> functions_;
  std::map<std::string, uint64_t, std::less<>> variables_;  ///< addresses
  std::map<std::string, std::string_view, std::less<>>
      shared_;                                         ///< declarations of what several kernels have
  std::set<std::string, std::less<>> dynamic_shared_;  ///< names of what a launch adds
};

}  // namespace tidemark::emulated
