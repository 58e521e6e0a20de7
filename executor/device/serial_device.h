// Runs device kernels on the host, a lane at a time: for tests, which have no GPU to run them on.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

#include "base/error.h"
#include "executor/device/group.h"
#include "executor/device/matmul.h"
#include "executor/device/serial_warp.h"

namespace tidemark::device {

/// `backwards`: lanes take their turns from the last to the first. What depends on the order is a race.
class SerialGroup {
 public:
  using Warp = SerialWarp;
  template <typename T, int kWarps>
  using Registers = SerialRegisters<T, kWarps>;

  SerialGroup(std::byte* shared, bool backwards) : shared_(shared), backwards_(backwards) {}

  template <typename F>
  void each(int64_t n, const F& f) {
    for (int64_t i = 0; i < n; ++i) f(backwards_ ? n - 1 - i : i);
  }
  /// A phase of whole warps: f(warp) of each, in any order, or at once; it ends with a barrier. Copies that a
  /// warp began land then, or, backwards, at once: no result may depend on it.
  template <int kWarps, typename F>
  void warps(const F& f) {
    std::vector<SerialCopy> pending;
    for (int i = 0; i < kWarps; ++i) {
      SerialWarp warp(backwards_ ? kWarps - 1 - i : i, backwards_, backwards_ ? nullptr : &pending);
      f(warp);
    }
    for (const SerialCopy& copy : pending) copy.land();
  }
  /// The sum of f(i), in an order that is the same each time; every lane gets it.
  template <typename T, typename F>
  T sum(int64_t n, const F& f) {
    T total = 0;
    for (int64_t i = 0; i < n; ++i) total += f(i);
    return total;
  }
  template <typename T, typename F>
  T max(int64_t n, T lowest, const F& f) {
    for (int64_t i = 0; i < n; ++i) lowest = larger(lowest, f(i));
    return lowest;
  }
  template <typename T>
  T* shared() {
    return reinterpret_cast<T*>(shared_);
  }

 private:
  std::byte* shared_;
  bool backwards_;
};

class SerialDevice {
 public:
  using Group = SerialGroup;

  /// `shared_bytes`: that a block may have.
  SerialDevice(bool backwards, int64_t shared_bytes) : backwards_(backwards), shared_bytes_(shared_bytes) {}

  int64_t shared_bytes() const { return shared_bytes_; }

  template <typename Body>
  void launch(int64_t blocks, int /*lanes*/, int64_t shared_bytes, const Body& body) {
    if (shared_bytes > shared_bytes_)
      throw InternalError("a block asks for " + std::to_string(shared_bytes) + " bytes of shared memory");
    for (int64_t i = 0; i < blocks; ++i) {
      // A block finds scratch that holds anything, and no more of it than it asked for.
      std::vector<std::byte> scratch(static_cast<size_t>(shared_bytes), std::byte{0xff});
      SerialGroup group(scratch.data(), backwards_);
      body(group, backwards_ ? blocks - 1 - i : i);
    }
  }
  /// A kernel of phases of whole warps, of which at least kBlocks blocks run at once on a multiprocessor.
  template <int kWarps, int kBlocks, typename Body>
  void launch_warps(int64_t blocks, int64_t shared_bytes, const Body& body) {
    launch(blocks, kWarps * kWarpLanes, shared_bytes, body);
  }
  template <typename Body>
  void each(int64_t n, const Body& body) {
    for (int64_t i = 0; i < n; ++i) body(backwards_ ? n - 1 - i : i);
  }
  void zero(void* at, int64_t bytes) { std::memset(at, 0, static_cast<size_t>(bytes)); }
  void matmul(const Matmul& product) {
    product.dtype == DType::bf16 ? multiply<Bf16>(product) : multiply<float>(product);
  }

 private:
  template <typename T>
  static void multiply(const Matmul& p) {
    p.c_dtype == DType::bf16 ? multiply<T, Bf16>(p) : multiply<T, float>(p);
  }
  template <typename T, typename C>
  static void multiply(const Matmul& p) {
    const T* const a = static_cast<const T*>(p.a);
    const T* const b = static_cast<const T*>(p.b);
    std::memset(p.workspace, 0xff, 64);  // it is there to be written
    std::vector<float> sums(static_cast<size_t>(p.n));
    for (int64_t i = 0; i < p.m; ++i) {
      const auto of_a = [&](int64_t l) {
        return to_float(p.a_transposed ? a[l * p.lda + i] : a[i * p.lda + l]);
      };
      std::fill(sums.begin(), sums.end(), 0.0f);
      // Along the rows of B as they lie in memory; each sum is in the same order either way.
      if (p.b_transposed)
        for (int64_t j = 0; j < p.n; ++j)
          for (int64_t l = 0; l < p.k; ++l)
            sums[static_cast<size_t>(j)] += of_a(l) * to_float(b[j * p.ldb + l]);
      else
        for (int64_t l = 0; l < p.k; ++l)
          for (int64_t j = 0; j < p.n; ++j)
            sums[static_cast<size_t>(j)] += of_a(l) * to_float(b[l * p.ldb + j]);
      for (int64_t j = 0; j < p.n; ++j) {
        float sum = sums[static_cast<size_t>(j)];
        if (p.bias) sum += to_float(static_cast<const T*>(p.bias)[j]);
        if (p.start) sum += to_float(static_cast<const C*>(p.start)[i * p.ldc + j]);
        store(static_cast<C*>(p.c) + i * p.ldc + j, sum);
      }
    }
  }

  bool backwards_;
  int64_t shared_bytes_;
};

}  // namespace tidemark::device
