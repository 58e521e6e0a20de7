#include "tests/executor/op_case.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <memory>

#include "executor/cpu/isa.h"
#include "executor/cpu/thread_pool.h"
#include "executor/kernel.h"
#include "graph/cuda_workspace.h"
#include "tests/executor/op_device.h"

namespace tidemark::test {
namespace {

constexpr size_t kFence = 256;
constexpr std::byte kFenceByte{0xA5};
constexpr size_t kPage = 4096, kProduct = cuda::kMatmulWorkspace;

/// Bytes between two fences, starting at NaN, in a device's memory or the host's.
class FencedBuffer {
 public:
  FencedBuffer(int64_t bytes, int64_t shift, OpDevice* device)
      : size_(static_cast<size_t>(bytes)),
        whole_(size_ + 2 * kFence + 128 + static_cast<size_t>(shift)),
        memory_(device ? static_cast<std::byte*>(device->allocate(whole_)) : new std::byte[whole_],
                [device](std::byte* p) { device ? device->release(p) : delete[] p; }) {
    const auto start = reinterpret_cast<uintptr_t>(memory_.get()) + kFence;
    data_ = memory_.get() + kFence + (64 - start % 64) % 64 + shift;
    std::byte* const end = memory_.get() + whole_;
    std::fill(memory_.get(), data_, kFenceByte);
    std::fill(data_ + size_, end, kFenceByte);
    // What a product on a device may use is far more than it does in a test: a page of it will do.
    const size_t product = device && size_ >= kProduct ? kProduct : 0;
    std::memset(data_, 0xff, std::min(size_, kPage));
    std::fill(data_ + std::max(product, std::min(size_, kPage)), data_ + size_, std::byte{0xff});
  }
  std::byte* data() const { return data_; }
  bool fences_hold() const {
    const auto holds = [](std::byte b) { return b == kFenceByte; };
    return std::all_of(memory_.get(), data_, holds) &&
           std::all_of(data_ + size_, memory_.get() + whole_, holds);
  }

 private:
  size_t size_, whole_;
  std::unique_ptr<std::byte, std::function<void(std::byte*)>> memory_;
  std::byte* data_;
};

double read(DType dtype, const std::byte* at) {
  if (dtype == DType::i32) {
    int32_t i;
    std::memcpy(&i, at, 4);
    return i;
  }
  uint32_t bits = 0;
  if (dtype == DType::bf16) {
    uint16_t half;
    std::memcpy(&half, at, 2);
    bits = static_cast<uint32_t>(half) << 16;
  } else {
    std::memcpy(&bits, at, 4);
  }
  return static_cast<double>(std::bit_cast<float>(bits));
}

void write(DType dtype, double value, std::byte* at) {
  if (dtype == DType::i32) {
    const auto i = static_cast<int32_t>(value);
    std::memcpy(at, &i, 4);
    return;
  }
  const auto bits = std::bit_cast<uint32_t>(static_cast<float>(value));
  if (dtype == DType::bf16) {
    const auto half = static_cast<uint16_t>(bits >> 16);
    std::memcpy(at, &half, 2);
  } else {
    std::memcpy(at, &bits, 4);
  }
}

Values read_all(const TensorType& type, const FencedBuffer& buffer) {
  Values values;
  for (int64_t i = 0; i < type.shape.elements(); ++i)
    values.push_back(read(type.dtype, buffer.data() + i * size_of(type.dtype)));
  return values;
}

bool same_bits(const Values& a, const Values& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](double x, double y) {
    return std::bit_cast<uint64_t>(x) == std::bit_cast<uint64_t>(y);
  });
}

}  // namespace

double rounded_to(DType dtype, double x) {
  const auto f = static_cast<float>(x);
  if (dtype != DType::bf16 || !std::isfinite(f)) return static_cast<double>(f);
  uint32_t bits = std::bit_cast<uint32_t>(f);
  bits += 0x7fff + ((bits >> 16) & 1);
  return static_cast<double>(std::bit_cast<float>(bits & 0xffff0000));
}

OpCase::OpCase(std::string kind, Attributes attributes, DType dtype)
    : kind_(std::move(kind)), attributes_(std::move(attributes)), dtype_(dtype) {}

OpCase& OpCase::add(TensorType type, const Values& values) {
  EXPECT_EQ(static_cast<int64_t>(values.size()), type.shape.elements());
  types_.push_back(type);
  inputs_.push_back(values);
  if (type.dtype != DType::i32)
    for (double& x : inputs_.back()) x = rounded_to(type.dtype, x);
  return *this;
}

OpCase& OpCase::random(Shape shape, double scale) {
  std::normal_distribution<double> normal(0, scale);
  Values values(static_cast<size_t>(shape.elements()));
  for (double& x : values) x = normal(generator_);
  return add({dtype_, shape}, values);
}
OpCase& OpCase::floats(Shape shape, const Values& values) {
  return add({dtype_, shape}, values);
}
OpCase& OpCase::f32(Shape shape, const Values& values) {
  return add({DType::f32, shape}, values);
}
OpCase& OpCase::ints(const std::vector<int32_t>& values) {
  return add({DType::i32, {static_cast<int64_t>(values.size())}}, Values(values.begin(), values.end()));
}
OpCase& OpCase::absent() {
  types_.emplace_back();
  inputs_.emplace_back();
  return *this;
}

bool OpCase::has(int input) const {
  return static_cast<size_t>(input) < inputs_.size() && !inputs_[static_cast<size_t>(input)].empty();
}

std::vector<Values> OpCase::run(const Run& options) const {
  Graph graph;
  std::vector<ValueId> ids;
  for (size_t i = 0; i < types_.size(); ++i)
    ids.push_back(
        inputs_[i].empty() ? kNone : graph.add_source("in" + std::to_string(i), types_[i], Category::input));
  const Op op = graph.op(graph.add_op({kind_, "op", ids, attributes_}));
  const OpView view(graph, op);

  std::vector<std::shared_ptr<FencedBuffer>> in, out(op.outputs.size());
  std::vector<bool> overwritten(types_.size());
  for (size_t i = 0; i < types_.size(); ++i) {
    in.push_back(nullptr);
    if (inputs_[i].empty()) continue;
    const int64_t item = size_of(types_[i].dtype);
    in[i] = std::make_shared<FencedBuffer>(types_[i].bytes(), options.shift * item, options.device);
    for (size_t k = 0; k < inputs_[i].size(); ++k)
      write(types_[i].dtype, inputs_[i][k], in[i]->data() + static_cast<int64_t>(k) * item);
  }
  for (size_t a = 0; a < op.def->aliases.size(); ++a) {
    const Alias& alias = op.def->aliases[a];
    if (!alias.required && static_cast<int>(a) != options.alias) continue;
    if (!has(alias.in) || !view.has_out(alias.out)) continue;
    out[static_cast<size_t>(alias.out)] = in[static_cast<size_t>(alias.in)];
    overwritten[static_cast<size_t>(alias.in)] = true;
  }
  for (size_t i = 0; i < out.size(); ++i)
    if (!out[i] && view.has_out(static_cast<int>(i))) {
      const TensorType& type = view.out(static_cast<int>(i));
      out[i] =
          std::make_shared<FencedBuffer>(type.bytes(), options.shift * size_of(type.dtype), options.device);
    }

  const int planned = options.planned_threads > 0 ? options.planned_threads : options.threads;
  const int64_t scratch = workspace_bytes(
      view, {.threads = planned, .kind = options.device ? DeviceKind::cuda : DeviceKind::cpu});
  const FencedBuffer workspace(scratch, 0, options.device);
  ThreadPool pool(options.threads);
  KernelArgs args{view, {}, {}, workspace.data(), scratch, &pool};
  for (const auto& buffer : in) args.inputs.push_back(buffer ? buffer->data() : nullptr);
  for (const auto& buffer : out) args.outputs.push_back(buffer ? buffer->data() : nullptr);
  if (options.device)
    options.device->run(kind_, args);
  else
    find_cpu_kernel(kind_)(args);

  EXPECT_TRUE(workspace.fences_hold()) << kind_ << " wrote outside its workspace of " << scratch << " bytes";
  for (size_t i = 0; i < in.size(); ++i) {
    if (!in[i]) continue;
    EXPECT_TRUE(in[i]->fences_hold()) << kind_ << " wrote outside input " << i;
    if (overwritten[i]) continue;
    EXPECT_TRUE(same_bits(read_all(types_[i], *in[i]), inputs_[i])) << kind_ << " wrote to input " << i;
  }
  std::vector<Values> results;
  for (size_t i = 0; i < out.size(); ++i) {
    results.emplace_back();
    if (!out[i]) continue;
    EXPECT_TRUE(out[i]->fences_hold()) << kind_ << " wrote outside output " << i;
    results.back() = read_all(view.out(static_cast<int>(i)), *out[i]);
  }
  return results;
}

std::vector<Values> OpCase::check_near(const Run& first, const std::vector<Values>& expected,
                                       double relative) const {
  std::vector<Values> result = run(first);
  const auto compare = [&] {
    ASSERT_EQ(result.size(), expected.size());
    for (size_t i = 0; i < result.size(); ++i) {
      ASSERT_EQ(result[i].size(), expected[i].size()) << "output " << i;
      double squares = 0;
      for (double e : expected[i]) squares += std::isfinite(e) ? e * e : 0;
      const double scale = std::sqrt(squares / static_cast<double>(std::max<size_t>(1, expected[i].size())));
      for (size_t k = 0; k < result[i].size(); ++k) {
        const double e = expected[i][k];
        const double margin = relative * (std::abs(e) + scale) + 1e-37;
        const bool near = std::isfinite(e) ? std::abs(result[i][k] - e) <= margin
                          : std::isnan(e)  ? std::isnan(result[i][k])
                                           : result[i][k] == e;
        ASSERT_TRUE(near) << "output " << i << "[" << k << "] is " << result[i][k] << ", expected " << e
                          << " to within " << margin;
      }
    }
  };
  compare();
  return result;
}

void OpCase::check_same(const std::vector<Values>& results, const Run& options,
                        const std::string& how) const {
  const std::vector<Values> other = run(options);
  for (size_t i = 0; i < results.size(); ++i)
    EXPECT_TRUE(same_bits(results[i], other[i])) << "output " << i << " differs " << how;
}

void OpCase::check_aliases(const std::vector<Values>& results, Run options) const {
  const std::vector<Alias>& aliases = find_op(kind_, "test").aliases;
  for (size_t a = 0; a < aliases.size(); ++a) {
    if (aliases[a].required) continue;
    options.alias = static_cast<int>(a);
    check_same(
        results, options,
        "with output " + std::to_string(aliases[a].out) + " over input " + std::to_string(aliases[a].in));
  }
}

void OpCase::check_on_cpu(const std::vector<Values>& expected, double relative) const {
  const cpu::Isa before = cpu::isa();
  for (cpu::Isa isa : {cpu::Isa::avx2, cpu::Isa::avx512}) {
    if (!cpu::isa_available(isa)) continue;
    cpu::set_isa(isa);
    SCOPED_TRACE("on " + std::string(cpu::isa_name()));
    const std::vector<Values> result = check_near({}, expected, relative);
    check_same(result, {.threads = 2}, "with 2 threads");
    check_same(result, {.threads = 5, .shift = 1}, "with 5 threads and at other addresses");
    check_same(result, {.threads = 2, .planned_threads = 5}, "with fewer threads than planned");
    check_aliases(result, {.threads = 2});
  }
  cpu::set_isa(before);
}

// What is promised of addresses is less: buffers are 64 bytes aligned (planner/arena/alignment.h).
void OpCase::check_on(OpDevice& device, const std::vector<Values>& expected, double relative) const {
  SCOPED_TRACE("on " + device.name());
  const std::vector<Values> result = check_near({.device = &device}, expected, relative);
  check_same(result, {.device = &device}, "when it runs again");
  check_aliases(result, {.device = &device});
}

void OpCase::check(const std::vector<Values>& expected, double relative, double on_devices) const {
  if (relative == 0) relative = dtype_ == DType::bf16 ? 8e-3 : 1e-5;
  SCOPED_TRACE(kind_ + " in " + std::string(name_of(dtype_)));
  check_on_cpu(expected, relative);
  for (const auto& device : op_devices())
    if (device->has(kind_)) check_on(*device, expected, on_devices > 0 ? on_devices : relative);
}

}  // namespace tidemark::test
