#include "executor/cpu/isa.h"

#include <atomic>
#include <cstdlib>
#include <string>

#include "base/error.h"

namespace tidemark::cpu {
namespace {

Isa initial() {
  if (const char* wanted = std::getenv("TIDEMARK_ISA")) {
    const std::string_view name = wanted;
    if (name != "avx2" && name != "avx512")
      throw Error("cannot choose an instruction set", "TIDEMARK_ISA", "unknown: " + std::string(name),
                  "use avx2 or avx512");
    const Isa isa = name == "avx2" ? Isa::avx2 : Isa::avx512;
    if (!isa_available(isa))
      throw Error("cannot choose an instruction set", "TIDEMARK_ISA",
                  "this machine has no " + std::string(name), "unset it");
    return isa;
  }
  if (!isa_available(Isa::avx2))
    throw Error("cannot run kernels", "this machine", "the CPU has no AVX2 and FMA",
                "use an x86-64-v3 CPU (2013 or later)", ExitCode::failure);
  return isa_available(Isa::avx512) ? Isa::avx512 : Isa::avx2;
}

std::atomic<Isa>& current() {
  static std::atomic<Isa> value{initial()};
  return value;
}

}  // namespace

bool isa_available(Isa isa) {
  const bool v3 =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  if (isa == Isa::avx2) return v3;
  return v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
}

Isa isa() {
  return current().load(std::memory_order_relaxed);
}

void set_isa(Isa wanted) {
  if (!isa_available(wanted))
    throw Error("cannot choose an instruction set", "set_isa", "this machine lacks it", {});
  current().store(wanted, std::memory_order_relaxed);
}

std::string_view isa_name() {
  return isa() == Isa::avx512 ? "avx512" : "avx2";
}

}  // namespace tidemark::cpu
