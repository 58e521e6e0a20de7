// What a kernel must not do is found, and what it may do is not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/gpu/emulated/fault.h"
#include "tests/gpu/emulated/tests/run_ptx.h"

namespace tidemark::emulated {
namespace {

constexpr auto kNone = static_cast<FaultKind>(-1);

/// Under some order of warps; %r1 is the thread, %r2 its place of four bytes in shared memory, and %rd1 in
/// the global memory of 64 numbers that %rd90 points to.
FaultKind fault_of(const std::string& body, uint32_t threads = 64) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    PtxRun run;
    run.seed = seed;
    run.block = {threads};
    auto* const memory = run.allocate<int32_t>(64);
    try {
      run("mov.u32 %r1, %tid.x; shl.b32 %r2, %r1, 2; mov.u32 %r3, buffer; add.s32 %r2, %r2, %r3;\n"
          "mul.wide.u32 %rd1, %r1, 4; add.s64 %rd1, %rd1, %rd90;\n" +
              body,
          {memory});
    } catch (const Fault& fault) {
      EXPECT_THAT(fault.what(), ::testing::HasSubstr("line")) << "a fault says where";
      return fault.kind;
    }
  }
  return kNone;
}

TEST(Faults, OfAddresses) {
  EXPECT_EQ(fault_of("ld.global.u32 %r4, [%rd1]; st.global.u32 [%rd1], %r4;"), kNone);
  EXPECT_EQ(fault_of("ld.global.u32 %r4, [%rd1+4];"), FaultKind::illegal_address);
  EXPECT_EQ(fault_of("st.global.u32 [%rd1+-4], %r1;"), FaultKind::illegal_address);
  EXPECT_EQ(fault_of("st.global.u8 [%rd1+252], %r1;", 1), kNone);
  EXPECT_EQ(fault_of("ld.global.v4.u32 {%r4, %r5, %r6, %r7}, [%rd1];", 1), kNone);
  EXPECT_EQ(fault_of("ld.global.v4.u32 {%r4, %r5, %r6, %r7}, [%rd1];", 2), FaultKind::misaligned_address);
  EXPECT_EQ(fault_of("ld.global.u64 %rd4, [%rd1];"), FaultKind::misaligned_address);
  EXPECT_EQ(fault_of("ld.shared.u32 %r4, [%r2+1020];", 1), kNone);
  EXPECT_EQ(fault_of("ld.shared.u32 %r4, [%r2+1024];", 1), FaultKind::illegal_address);
  EXPECT_EQ(fault_of("ld.shared.u32 %r4, [%r2+2];", 1), FaultKind::misaligned_address);
  int on_the_host = 0;
  PtxRun run;
  EXPECT_THROW(run("ld.global.u32 %r4, [%rd90];", {&on_the_host}), Fault);
}

TEST(Faults, GenericAddressesReachSharedMemory) {
  EXPECT_EQ(fault_of("mov.u64 %rd2, buffer; cvta.shared.u64 %rd2, %rd2; mul.wide.u32 %rd3, %r1, 4;\n"
                     "add.s64 %rd2, %rd2, %rd3; st.u32 [%rd2], %r1; ld.shared.u32 %r4, [%r2];\n"
                     "setp.eq.u32 %p1, %r4, %r1; @%p1 bra $well;\ntrap;\n$well:\n"),
            kNone);
  EXPECT_EQ(fault_of("mov.u64 %rd2, buffer; cvta.shared.u64 %rd2, %rd2; ld.u32 %r4, [%rd2+1024];"),
            FaultKind::illegal_address);
}

// A neighbour's place: of the next warp for the last lane of a warp.
const std::string kWrite = "st.shared.u32 [%r2], %r1;\n", kReadNext = "ld.shared.u32 %r4, [%r2+4];\n",
                  kReadFar = "ld.shared.u32 %r4, [%r2+128];\n", kBarrier = "bar.sync 0;\n",
                  kWarpBarrier = "bar.warp.sync -1;\n";

TEST(Faults, RacesBetweenWarps) {
  EXPECT_EQ(fault_of(kWrite + kReadFar), FaultKind::race);
  EXPECT_EQ(fault_of(kReadFar + kWrite), FaultKind::race);
  EXPECT_EQ(fault_of(kWrite + kWarpBarrier + kReadFar), FaultKind::race);
  EXPECT_EQ(fault_of(kWrite + kBarrier + kReadFar), kNone);
  EXPECT_EQ(fault_of(kReadFar + kBarrier + kWrite), kNone);
  EXPECT_EQ(fault_of("st.shared.u32 [buffer], %r1;"), FaultKind::race);
  EXPECT_EQ(fault_of("mov.u32 %r5, 3; st.shared.u32 [buffer], %r5;"), kNone) << "all write the same";
}

TEST(Faults, RacesWithinAWarp) {
  EXPECT_EQ(fault_of(kWrite + kReadNext, 32), FaultKind::race);
  EXPECT_EQ(fault_of(kReadNext + kWrite, 32), FaultKind::race);
  EXPECT_EQ(fault_of(kWrite + kWarpBarrier + kReadNext, 32), kNone);
  EXPECT_EQ(fault_of("st.shared.u16 [buffer], %r1; st.shared.u16 [buffer+2], %r1;", 1), kNone);
}

TEST(Faults, CopiesThatNobodyWaitedFor) {
  const std::string copy = "cp.async.ca.shared.global [%r2], [%rd1], 4;\n", wait = "cp.async.wait_all;\n",
                    read = "ld.shared.u32 %r4, [%r2];\n";
  EXPECT_EQ(fault_of(copy + read), FaultKind::race);
  EXPECT_EQ(fault_of(copy + kBarrier + read), FaultKind::race);
  EXPECT_EQ(fault_of(copy + wait + read), kNone);
  EXPECT_EQ(fault_of(copy + wait + kReadFar), FaultKind::race);
  EXPECT_EQ(fault_of(copy + wait + kBarrier + kReadFar), kNone);
  EXPECT_EQ(fault_of("add.s64 %rd2, %rd1, 256; cp.async.ca.shared.global [%r2], [%rd2], 4;"),
            FaultKind::illegal_address);
  EXPECT_EQ(fault_of("mov.u32 %r5, 0; cp.async.ca.shared.global [%r2], [%rd1], 4, %r5;" + wait +
                     "ld.shared.u32 %r4, [%r2]; setp.eq.u32 %p1, %r4, 0; @%p1 bra $well;\ntrap;\n$well:\n"),
            kNone)
      << "of nothing comes zero";
}

TEST(Faults, LanesThatAreNotTogether) {
  const std::string apart = "setp.lt.u32 %p1, %r1, 7; @%p1 bra $there;\n";
  EXPECT_EQ(fault_of(apart + "bar.sync 0;\n$there:\n"), FaultKind::divergence);
  EXPECT_EQ(fault_of(apart + "shfl.sync.bfly.b32 %r4, %r1, 1, 31, -1;\n$there:\n"), FaultKind::divergence);
  EXPECT_EQ(fault_of(apart + "$there:\nbar.sync 0;"), kNone);
  // Those that have ended are not waited for.
  EXPECT_EQ(fault_of("setp.ge.u32 %p1, %r1, 32; @%p1 ret;\nbar.sync 0;"), kNone);
}

TEST(Faults, SharedMemoryBeginsWithAnything) {
  EXPECT_EQ(fault_of("ld.shared.u32 %r4, [%r2]; setp.eq.u32 %p1, %r4, -1; @%p1 bra $well;\ntrap;\n$well:\n"),
            kNone);
}

TEST(Orders, OfWarpsAndBlocksDifferFromLaunchToLaunch) {
  std::vector<int32_t> last_warps, last_blocks;
  for (uint64_t seed = 1; seed <= 16; ++seed) {
    PtxRun run;
    run.seed = seed;
    run.block = {64};
    run.grid = {4};
    auto* const memory = run.allocate<int32_t>(2);
    run("mov.u32 %r1, %tid.x; mov.u32 %r2, %ctaid.x; shr.u32 %r1, %r1, 5;\n"
        "st.global.u32 [%rd90], %r1; st.global.u32 [%rd90+4], %r2;",
        {memory});
    last_warps.push_back(memory[0]);
    last_blocks.push_back(memory[1]);
  }
  EXPECT_THAT(last_warps, ::testing::AllOf(::testing::Contains(0), ::testing::Contains(1)));
  EXPECT_THAT(last_blocks, ::testing::AllOf(::testing::Contains(0), ::testing::Contains(3)));
}

TEST(Traffic, CountsSectorsAndPasses) {
  const auto traffic = [](const std::string& body) {
    PtxRun run;
    auto* const memory = run.allocate<float>(4096);
    run("mov.u32 %r1, %tid.x; mul.wide.u32 %rd1, %r1, 4; add.s64 %rd1, %rd1, %rd90; mul.wide.u32 %rd2, %r1, "
        "128;\n"
        "add.s64 %rd2, %rd2, %rd90; mov.u32 %r3, buffer; shl.b32 %r2, %r1, 2; add.s32 %r2, %r2, %r3;\n"
        "shl.b32 %r4, %r1, 3; add.s32 %r4, %r4, %r3;\n" +
            body,
        {memory});
    return run.traffic;
  };
  EXPECT_EQ(traffic("ld.global.f32 %f1, [%rd1];").sectors, 4u);
  EXPECT_EQ(traffic("ld.global.f32 %f1, [%rd1];").bytes, 128u);
  EXPECT_EQ(traffic("ld.global.f32 %f1, [%rd2];").sectors, 32u);
  EXPECT_EQ(traffic("ld.global.f32 %f1, [%rd90];").sectors, 1u);
  EXPECT_EQ(traffic("ld.global.f32 %f1, [%rd90];").bytes, 4u);
  EXPECT_EQ(traffic("ld.shared.f32 %f1, [%r2];").shared_passes, 1u);
  EXPECT_EQ(traffic("ld.shared.f32 %f1, [%r4];").shared_passes, 2u);
  EXPECT_EQ(traffic("ld.shared.f32 %f1, [buffer];").shared_passes, 1u);
}

}  // namespace
}  // namespace tidemark::emulated
