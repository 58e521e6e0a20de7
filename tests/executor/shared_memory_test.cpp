// What kernels do where a block may not have the shared memory that they would take.
#include "executor/device/shared_memory.h"

#include <gtest/gtest.h>

#include "executor/device/serial_device.h"
#include "tests/executor/op_case.h"
#include "tests/executor/op_device.h"

namespace tidemark::test {
namespace {

template <int kOfBlock, int kAtOnce>
struct Kernel {
  static constexpr int kShared = kOfBlock, kBlocks = kAtOnce;
};

/// Whether a device of so much shared memory runs the large one.
template <typename Large>
bool runs(int64_t shared_bytes) {
  const device::SerialDevice device(false, shared_bytes);
  int large = 0, small = 0;
  device::with_room<Large, Kernel<0, 1>>(
      device, [&](auto of) { ++(std::is_same_v<typename decltype(of)::type, Large> ? large : small); });
  EXPECT_EQ(large + small, 1);
  return large > 0;
}

TEST(SharedMemory, DecidesWhichKernelRuns) {
  EXPECT_TRUE((runs<Kernel<device::kMostShared, 1>>(device::kMostShared)));
  EXPECT_FALSE((runs<Kernel<device::kMostShared, 1>>(cuda::kLeastShared)));
  EXPECT_TRUE((runs<Kernel<cuda::kLeastShared, 1>>(cuda::kLeastShared)));
  // As many blocks as there are registers for, of 1 KiB more each.
  EXPECT_TRUE((runs<Kernel<49 << 10, 2>>(cuda::kLeastShared)));
  EXPECT_FALSE((runs<Kernel<50 << 10, 2>>(cuda::kLeastShared)));
  EXPECT_TRUE((runs<Kernel<50 << 10, 2>>(device::kMostShared)));
}

TEST(SharedMemory, IsNoMoreThanADeviceHas) {
  device::SerialDevice device(false, 64);
  const auto nothing = [](device::SerialGroup&, int64_t) {};
  EXPECT_NO_THROW(device.launch(1, 32, 64, nothing));
  EXPECT_THROW(device.launch(1, 32, 65, nothing), InternalError);
}

TEST(SharedMemory, CountsInThePlanWhereSomeDeviceHasTooLittle) {
  EXPECT_EQ(cuda::spilled_scratch(3, cuda::kLeastShared), 0);
  EXPECT_EQ(cuda::spilled_scratch(3, cuda::kLeastShared + 64), 3 * (cuda::kLeastShared + 64));
}

/// Blocks' scratch is in shared memory on one device and in the workspace on another: of the same numbers.
void expect_same_on_all(const OpCase& op) {
  const std::vector<Values> first = op.run({.device = op_devices().front().get()});
  for (const auto& device : op_devices()) {
    SCOPED_TRACE("on " + device->name());
    EXPECT_EQ(op.run({.device = device.get()}), first);
  }
}

TEST(SharedMemory, IsTheWorkspaceForWideStates) {
  constexpr int64_t kRows = 11, kHeads = 2, kColumns = 144, kChannels = kHeads * kColumns;
  const std::vector<int32_t> sequences = {0, 4, 11};
  const Attributes attributes{{"heads", kHeads}, {"chunk_rows", int64_t{8}}};
  OpCase forward("wkv7", attributes), back("wkv7_grad", attributes);
  back.random({kRows, kChannels});
  for (OpCase* op : {&forward, &back}) {
    for (int i = 0; i < 5; ++i) op->random({kRows, kChannels});
    op->random({kChannels}).random({kChannels});
  }
  forward.ints(sequences);
  back.f32({2, kHeads, kColumns, kColumns}, Values(2 * kHeads * kColumns * kColumns, 0.25)).ints(sequences);
  for (int i = 0; i < 4; ++i) back.absent();
  expect_same_on_all(forward);
  expect_same_on_all(back);
}

TEST(SharedMemory, IsTheWorkspaceForManyStatesOfAChannel) {
  // The gradient's block asks for more than 99 KiB from 160 states on, the scan's from 400.
  for (int64_t states : {160, 400}) {
    constexpr int64_t kRows = 9, kChannels = 35;
    const Attributes attributes{{"chunk_rows", int64_t{4}}, {"first_column", int64_t{0}}};
    OpCase forward("selective_scan", attributes), back("selective_scan_grad", attributes);
    back.random({kRows, kChannels});
    for (OpCase* op : {&forward, &back}) {
      op->random({kRows, kChannels}).random({kRows, kChannels}).random({kRows, 2 * states});
      op->random({kRows, kChannels});
      op->f32({kChannels, states}, Values(static_cast<size_t>(kChannels * states), 0.5));
      op->f32({kChannels}, Values(kChannels, 1)).f32({kChannels}, Values(kChannels, 0.1));
    }
    forward.ints({0, 4, 9});
    back.f32({3, states, kChannels}, Values(static_cast<size_t>(3 * states * kChannels), 0.25))
        .ints({0, 4, 9});
    back.absent();
    expect_same_on_all(forward);
    expect_same_on_all(back);
  }

  constexpr int64_t kStates = 1060, kLength = 12;
  const Attributes attributes{{"length", kLength}, {"discretization", std::string("bilinear")}};
  OpCase kernel("ssm_kernel", attributes), back("ssm_kernel_grad", attributes);
  back.random({2, kLength});
  for (OpCase* op : {&kernel, &back}) {
    op->f32({2}, {-4, -3}).f32({2, kStates}, Values(2 * kStates, -0.5));
    op->f32({2, kStates}, Values(2 * kStates, 1.5));
    for (int i = 0; i < 3; ++i) op->random({2, kStates, 2}, 0.1);
  }
  expect_same_on_all(kernel);
  expect_same_on_all(back);
}

// A group's columns, or a head's keys, of which a block has one column of a state.
TEST(SharedMemory, IsTheWorkspaceForStatesOfManyRows) {
  constexpr int64_t kRows = 3, kMany = 24000;
  const Attributes of_ssd{{"heads", int64_t{2}},      {"groups", int64_t{1}}, {"states", int64_t{2}},
                          {"chunk_rows", int64_t{2}}, {"dt_min", 0.0},        {"first_column", int64_t{0}}};
  OpCase ssd("ssd_scan_grad", of_ssd);
  ssd.random({kRows, kMany}).random({kRows, kMany + 4}).random({kRows, 2});
  for (int i = 0; i < 3; ++i) ssd.f32({2}, {0.1, 0.2});
  ssd.f32({2, 2, 2, kMany / 2}, Values(4 * kMany, 0.25)).ints({0, 1, 3}).absent();
  expect_same_on_all(ssd);

  const Attributes of_retention{
      {"decays", std::vector<double>{0.9}}, {"scale", 0.1}, {"chunk_rows", int64_t{2}}};
  OpCase forward("retention", of_retention), back("retention_grad", of_retention);
  back.random({kRows, 2});
  for (OpCase* op : {&forward, &back}) op->random({kRows, kMany}).random({kRows, kMany}).random({kRows, 2});
  back.f32({kRows, 1}, {0.5, 0.5, 0.5}).f32({2, 1, kMany, 3}, Values(6 * kMany, 0.25));
  for (OpCase* op : {&forward, &back}) expect_same_on_all(op->ints({0, 1, 3}));
}

TEST(SharedMemory, IsTheWorkspaceForManyHiddenUnits) {
  constexpr int64_t kHidden = 12672, kPixels = 3;
  OpCase op("nade", {{"function", std::string("tanh")}});
  op.floats({2, kPixels}, {0, 1, 0, 1, 1, 0}).ints({2, 0, 1});
  op.random({kHidden, kPixels}).random({kHidden}).random({kPixels});
  expect_same_on_all(op);
}

}  // namespace
}  // namespace tidemark::test
