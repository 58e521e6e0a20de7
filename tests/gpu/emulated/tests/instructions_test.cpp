// Single instructions against what the PTX ISA says of them.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "tests/gpu/emulated/fault.h"
#include "tests/gpu/emulated/tests/run_ptx.h"

namespace tidemark::emulated {
namespace {

/// Of 32 lanes that each hold the same: the lower 64 bits of what the instructions leave in %rd0.
uint64_t value(const std::string& instructions) {
  PtxRun run;
  auto* const out = run.allocate<uint64_t>(kLanes);
  run(instructions +
          "\nmov.u32 %r98, %tid.x;\nmul.wide.u32 %rd98, %r98, 8;\nadd.s64 %rd98, %rd98, "
          "%rd90;\nst.global.u64 [%rd98], "
          "%rd0;",
      {out});
  for (int lane = 1; lane < kLanes; ++lane) EXPECT_EQ(out[lane], out[0]) << instructions;
  return out[0];
}
uint32_t of_r0(const std::string& instructions) {
  return static_cast<uint32_t>(value(instructions + "\ncvt.u64.u32 %rd0, %r0;"));
}
float of_f0(const std::string& instructions) {
  return std::bit_cast<float>(of_r0(instructions + "\nmov.b32 %r0, %f0;"));
}
double of_fd0(const std::string& instructions) {
  return std::bit_cast<double>(value(instructions + "\nmov.b64 %rd0, %fd0;"));
}
bool of_p0(const std::string& instructions) {
  return of_r0(instructions + "\nselp.u32 %r0, 1, 0, %p0;") != 0;
}
std::string f32(float x) {
  char text[16];
  std::snprintf(text, sizeof text, "0f%08X", std::bit_cast<uint32_t>(x));
  return text;
}
std::string f64(double x) {
  char text[24];
  std::snprintf(text, sizeof text, "0d%016llX", static_cast<unsigned long long>(std::bit_cast<uint64_t>(x)));
  return text;
}

constexpr auto kMinusOne = ~0u;

TEST(Integers, WrapAndAreSignedOnlyWhereItSaysSo) {
  EXPECT_EQ(of_r0("mov.u32 %r1, -1; add.s32 %r0, %r1, 2;"), 1u);
  EXPECT_EQ(of_r0("mov.u32 %r1, 0; sub.s32 %r0, %r1, 1;"), kMinusOne);
  EXPECT_EQ(of_r0("mov.u32 %r1, 0x10001; mul.lo.s32 %r0, %r1, %r1;"), 0x20001u);
  EXPECT_EQ(of_r0("mov.u32 %r1, -2; mul.hi.s32 %r0, %r1, 3;"), kMinusOne);
  EXPECT_EQ(of_r0("mov.u32 %r1, -2; mul.hi.u32 %r0, %r1, 3;"), 2u);
  EXPECT_EQ(value("mov.u32 %r1, -2; mul.wide.s32 %rd0, %r1, 3;"), static_cast<uint64_t>(-6));
  EXPECT_EQ(value("mov.u32 %r1, -2; mul.wide.u32 %rd0, %r1, 3;"), 0x2fffffffaull);
  EXPECT_EQ(of_r0("mov.u32 %r1, -7; mad.lo.s32 %r0, %r1, 3, 1;"), static_cast<uint32_t>(-20));
  EXPECT_EQ(of_r0("mov.u32 %r1, -7; div.s32 %r0, %r1, 2;"), static_cast<uint32_t>(-3));
  EXPECT_EQ(of_r0("mov.u32 %r1, -7; rem.s32 %r0, %r1, 2;"), kMinusOne);
  EXPECT_EQ(of_r0("mov.u32 %r1, -7; div.u32 %r0, %r1, 2;"), 0x7ffffffcu);
  EXPECT_EQ(of_r0("mov.u32 %r1, -7; min.s32 %r0, %r1, 2;"), static_cast<uint32_t>(-7));
  EXPECT_EQ(of_r0("mov.u32 %r1, -7; min.u32 %r0, %r1, 2;"), 2u);
  EXPECT_EQ(of_r0("mov.u32 %r1, -7; neg.s32 %r0, %r1;"), 7u);
  EXPECT_EQ(of_r0("mov.u32 %r1, -7; abs.s32 %r0, %r1;"), 7u);
  EXPECT_EQ(of_r0("mov.u16 %rs1, -1; add.s16 %rs0, %rs1, 2; cvt.u32.u16 %r0, %rs0;"), 1u);
}

TEST(Integers, ShiftsAreClampedToTheWidth) {
  EXPECT_EQ(of_r0("mov.u32 %r1, 3; shl.b32 %r0, %r1, 31;"), 0x80000000u);
  EXPECT_EQ(of_r0("mov.u32 %r1, 3; shl.b32 %r0, %r1, 32;"), 0u);
  EXPECT_EQ(of_r0("mov.u32 %r1, -3; shr.s32 %r0, %r1, 99;"), kMinusOne);
  EXPECT_EQ(of_r0("mov.u32 %r1, -3; shr.u32 %r0, %r1, 32;"), 0u);
  EXPECT_EQ(value("mov.u64 %rd1, -3; shr.u64 %rd0, %rd1, 63;"), 1u);
  EXPECT_EQ(of_r0("mov.u32 %r1, 0x80000001; mov.u32 %r2, 0xf; shf.l.wrap.b32 %r0, %r1, %r2, 4;"), 0xf8u);
  EXPECT_EQ(of_r0("mov.u32 %r1, 0x80000001; mov.u32 %r2, 0xf; shf.r.wrap.b32 %r0, %r1, %r2, 4;"),
            0xf8000000u);
}

TEST(Integers, BitsAndBytes) {
  EXPECT_EQ(of_r0("mov.u32 %r1, 0x33221100; mov.u32 %r2, 0x77665584; prmt.b32 %r0, %r1, %r2, 0xc470;"),
            0xff847700u);
  EXPECT_EQ(of_r0("mov.u32 %r1, 0x1000; clz.b32 %r0, %r1;"), 19u);
  EXPECT_EQ(of_r0("mov.u64 %rd1, 0x1000; clz.b64 %r0, %rd1;"), 51u);
  EXPECT_EQ(of_r0("mov.u32 %r1, 0xf0f; popc.b32 %r0, %r1;"), 8u);
  EXPECT_EQ(of_r0("mov.u32 %r1, 0xabcd; bfe.u32 %r0, %r1, 4, 8;"), 0xbcu);
  EXPECT_EQ(of_r0("mov.u32 %r1, 0xabcd; bfe.s32 %r0, %r1, 4, 8;"), 0xffffffbcu);
  // The truth table of a & b | ~c.
  EXPECT_EQ(of_r0("mov.u32 %r1, 0xc; mov.u32 %r2, 0xa; mov.u32 %r3, -6; lop3.b32 %r0, %r1, %r2, %r3, 0xd5;"),
            (0xcu & 0xau) | 5u);
  EXPECT_EQ(value("mov.u32 %r1, 1; mov.u32 %r2, 2; mov.b64 %rd0, {%r1, %r2};"), 0x200000001ull);
  EXPECT_EQ(of_r0("mov.u64 %rd1, 0x200000001; mov.b64 {%r1, %r0}, %rd1;"), 2u);
}

TEST(Integers, CarriesRunThroughAChain) {
  // -1 + 1 of 64 bits in halves, and back.
  EXPECT_EQ(value("mov.u32 %r1, -1; mov.u32 %r2, 1; mov.u32 %r3, 0;\n"
                  "add.cc.u32 %r4, %r1, %r2; addc.u32 %r5, %r1, %r3; mov.b64 %rd0, {%r4, %r5};"),
            0u);
  EXPECT_EQ(value("mov.u32 %r1, 0; mov.u32 %r2, 1; mov.u32 %r3, 5;\n"
                  "sub.cc.u32 %r4, %r1, %r2; subc.u32 %r5, %r3, %r1; mov.b64 %rd0, {%r4, %r5};"),
            0x4ffffffffull);
  // The product of 0xffffffff and itself, plus 1.
  EXPECT_EQ(
      value("mov.u32 %r1, -1; mov.u32 %r2, 1; mov.u32 %r3, 0;\n"
            "mad.lo.cc.u32 %r4, %r1, %r1, %r2; madc.hi.u32 %r5, %r1, %r1, %r3; mov.b64 %rd0, {%r4, %r5};"),
      0xfffffffe00000002ull);
}

TEST(Floats, AreRoundedOnceAndAsItSaysSo) {
  const float a = 1 + 0x1p-23f, b = 1 - 0x1p-24f, c = -1;
  EXPECT_EQ(of_f0("fma.rn.f32 %f0, " + f32(a) + ", " + f32(b) + ", " + f32(c) + ";"), std::fma(a, b, c));
  EXPECT_EQ(of_f0("fma.rm.f32 %f0, " + f32(1) + ", " + f32(1) + ", " + f32(0x1p-30f) + ";"), 1.0f);
  EXPECT_EQ(of_f0("fma.rm.f32 %f0, " + f32(1) + ", " + f32(-1) + ", " + f32(-0x1p-30f) + ";"), -1 - 0x1p-23f);
  EXPECT_EQ(of_f0("mov.f32 %f1, " + f32(-1) + "; add.rz.f32 %f0, %f1, " + f32(-0x1p-30f) + ";"), -1.0f);
  EXPECT_EQ(of_f0("mov.f32 %f1, " + f32(16777216) + "; add.f32 %f0, %f1, " + f32(1) + ";"), 16777216.0f);
  EXPECT_EQ(of_fd0("mov.f64 %fd1, " + f64(1) + "; div.rn.f64 %fd0, %fd1, " + f64(3) + ";"), 1.0 / 3);
  EXPECT_EQ(of_f0("mov.f32 %f1, " + f32(NAN) + "; max.f32 %f0, %f1, " + f32(-2) + ";"), -2.0f);
  EXPECT_EQ(of_f0("mov.f32 %f1, " + f32(-3) + "; copysign.f32 %f0, %f1, " + f32(2) + ";"), -2.0f);
  EXPECT_EQ(of_f0("mov.f32 %f1, " + f32(-126.5f) + "; ex2.approx.ftz.f32 %f0, %f1;"), 0.0f);
  EXPECT_EQ(of_f0("mov.f32 %f1, " + f32(3) + "; ex2.approx.ftz.f32 %f0, %f1;"), 8.0f);
}

TEST(Floats, CompareWithWhatIsNoNumber) {
  const std::string one_nan = "mov.f32 %f1, " + f32(1) + "; mov.f32 %f2, " + f32(NAN) + "; ";
  for (const char* ordered : {"eq", "ne", "lt", "le", "gt", "ge", "num"})
    EXPECT_FALSE(of_p0(one_nan + "setp." + ordered + ".f32 %p0, %f1, %f2;")) << ordered;
  for (const char* unordered : {"equ", "neu", "ltu", "leu", "gtu", "geu", "nan"})
    EXPECT_TRUE(of_p0(one_nan + "setp." + unordered + ".f32 %p0, %f1, %f2;")) << unordered;
  const std::string one_two = "mov.f32 %f1, " + f32(1) + "; mov.f32 %f2, " + f32(2) + "; ";
  for (const char* yes : {"ne", "lt", "le", "neu", "ltu", "leu", "num"})
    EXPECT_TRUE(of_p0(one_two + "setp." + yes + ".f32 %p0, %f1, %f2;")) << yes;
  for (const char* no : {"eq", "gt", "ge", "equ", "gtu", "geu", "nan"})
    EXPECT_FALSE(of_p0(one_two + "setp." + no + ".f32 %p0, %f1, %f2;")) << no;
  EXPECT_TRUE(of_p0("mov.u32 %r1, -1; setp.lt.s32 %p0, %r1, 1;"));
  EXPECT_FALSE(of_p0("mov.u32 %r1, -1; setp.lt.u32 %p0, %r1, 1;"));
  EXPECT_TRUE(of_p0("mov.u32 %r1, 1; setp.eq.s32 %p1, %r1, 0; setp.eq.and.s32 %p0, %r1, 1, !%p1;"));
  EXPECT_TRUE(of_p0("mov.u32 %r1, 1; setp.eq.s32 %p1|%p0, %r1, 0;"));
}

TEST(Conversions, RoundClampAndExtend) {
  EXPECT_EQ(of_r0("mov.f64 %fd1, " + f64(2.5) + "; cvt.rni.s32.f64 %r0, %fd1;"), 2u);
  EXPECT_EQ(of_r0("mov.f32 %f1, " + f32(-2.9f) + "; cvt.rzi.s32.f32 %r0, %f1;"), static_cast<uint32_t>(-2));
  EXPECT_EQ(of_r0("mov.f32 %f1, " + f32(1e20f) + "; cvt.rzi.s32.f32 %r0, %f1;"), 0x7fffffffu);
  EXPECT_EQ(of_r0("mov.f32 %f1, " + f32(NAN) + "; cvt.rzi.s32.f32 %r0, %f1;"), 0u);
  EXPECT_EQ(of_f0("mov.f32 %f1, " + f32(1.5f) + "; cvt.sat.f32.f32 %f0, %f1;"), 1.0f);
  EXPECT_EQ(value("mov.u32 %r1, -5; cvt.s64.s32 %rd0, %r1;"), static_cast<uint64_t>(-5));
  EXPECT_EQ(value("mov.u32 %r1, -5; cvt.u64.u32 %rd0, %r1;"), 0xfffffffbull);
  EXPECT_EQ(of_f0("mov.u32 %r1, 16777217; cvt.rn.f32.s32 %f0, %r1;"), 16777216.0f);
  // To even where it is half way, and what is no number stays none.
  EXPECT_EQ(of_r0("mov.f32 %f1, " + f32(1 + 0x1p-8f) + "; mov.f32 %f2, " + f32(1 + 3 * 0x1p-8f) +
                  "; cvt.rn.bf16x2.f32 %r0, %f1, %f2;"),
            0x3f803f82u);
  EXPECT_EQ(of_r0("mov.f32 %f1, " + f32(NAN) + "; mov.f32 %f2, " + f32(3.4e38f) +
                  "; cvt.rn.bf16x2.f32 %r0, %f1, %f2;"),
            0x7fff7f80u);
}

TEST(Conversions, LoadsExtendToTheirRegister) {
  PtxRun run;
  auto* const in = run.allocate<int32_t>(4);
  auto* const out = run.allocate<uint64_t>(4);
  in[0] = -2;
  run("ld.global.s32 %rd0, [%rd90]; st.global.u64 [%rd91], %rd0;\n"
      "ld.global.u32 %rd0, [%rd90]; st.global.u64 [%rd91+8], %rd0;\n"
      "ld.global.u8 %rs0, [%rd90]; cvt.u64.u16 %rd0, %rs0; st.global.u64 [%rd91+16], %rd0;",
      {in, out});
  EXPECT_EQ(out[0], static_cast<uint64_t>(-2));
  EXPECT_EQ(out[1], 0xfffffffeull);
  EXPECT_EQ(out[2], 0xfeull);
}

TEST(Control, LanesPartAndMeetAgain) {
  // Steps of the Collatz sequence from each lane's number + 1: loops of different lengths, with branches in
  // them.
  PtxRun run;
  run.block = {64};
  auto* const out = run.allocate<uint32_t>(64);
  run("mov.u32 %r1, %tid.x; mul.wide.u32 %rd1, %r1, 4; add.s64 %rd1, %rd1, %rd90; add.s32 %r2, %r1, 1;\n"
      "mov.u32 %r3, 0;\n"
      "$loop:\nsetp.eq.s32 %p1, %r2, 1; @%p1 bra $end;\nand.b32 %r4, %r2, 1; setp.eq.s32 %p2, %r4, 0;\n"
      "@%p2 bra $even;\nmad.lo.s32 %r2, %r2, 3, 1; bra.uni $next;\n$even:\nshr.u32 %r2, %r2, 1;\n"
      "$next:\nadd.s32 %r3, %r3, 1; bra.uni $loop;\n$end:\nbar.warp.sync -1;\nst.global.u32 [%rd1], %r3;",
      {out});
  for (uint32_t lane = 0; lane < 64; ++lane) {
    uint32_t steps = 0;
    for (uint32_t n = lane + 1; n != 1; n = n % 2 ? 3 * n + 1 : n / 2) ++steps;
    EXPECT_EQ(out[lane], steps) << lane;
  }
}

TEST(Control, CallsHaveTheirOwnRegisters) {
  PtxRun run;
  auto* const out = run.allocate<uint32_t>(kLanes);
  run("mov.u32 %r1, %tid.x; mul.wide.u32 %rd1, %r1, 4; add.s64 %rd1, %rd1, %rd90; mov.u32 %r2, 7;\n"
      "setp.lt.s32 %p1, %r1, 5; @%p1 bra $end;\n"
      "{\n.param .b32 argument;\nst.param.b32 [argument+0], %r1;\n.param .b32 result;\n"
      "call.uni (result), squared, (argument);\nld.param.b32 %r2, [result+0];\n}\n"
      "$end:\nst.global.u32 [%rd1], %r2;",
      {out},
      ".func (.param .b32 func_retval0) squared(.param .b32 squared_param_0)\n{\n.reg .b32 %r<3>;\n"
      "ld.param.u32 %r1, [squared_param_0]; mul.lo.s32 %r2, %r1, %r1; st.param.b32 [func_retval0+0], "
      "%r2;\nret;\n}\n");
  for (uint32_t lane = 0; lane < kLanes; ++lane) EXPECT_EQ(out[lane], lane < 5 ? 7 : lane * lane);
}

TEST(Warps, ShuffleAsTheyAreToldTo) {
  const auto shuffled = [](const std::string& mode) {
    PtxRun run;
    auto* const out = run.allocate<uint32_t>(kLanes);
    run("mov.u32 %r1, %tid.x; mul.wide.u32 %rd1, %r1, 4; add.s64 %rd1, %rd1, %rd90;\n"
        "shfl.sync." +
            mode + ", -1; st.global.u32 [%rd1], %r2;",
        {out});
    return std::vector<uint32_t>(out, out + kLanes);
  };
  const auto xor_5 = shuffled("bfly.b32 %r2, %r1, 5, 31"), up_3 = shuffled("up.b32 %r2, %r1, 3, 0"),
             down_3 = shuffled("down.b32 %r2|%p1, %r1, 3, 31"), from_9 = shuffled("idx.b32 %r2, %r1, 9, 31"),
             of_8 = shuffled("idx.b32 %r2, %r1, 1, 0x181f");
  for (uint32_t lane = 0; lane < kLanes; ++lane) {
    EXPECT_EQ(xor_5[lane], lane ^ 5);
    EXPECT_EQ(up_3[lane], lane < 3 ? lane : lane - 3);
    EXPECT_EQ(down_3[lane], lane + 3 < kLanes ? lane + 3 : lane);
    EXPECT_EQ(from_9[lane], 9u);
    EXPECT_EQ(of_8[lane], lane / 8 * 8 + 1);  // within eight lanes
  }
}

uint16_t bf16(int x) {
  return static_cast<uint16_t>(std::bit_cast<uint32_t>(static_cast<float>(x)) >> 16);
}

TEST(TensorCores, MultiplyWhatLdmatrixLoads) {
  // A, 16 x 16 by rows, from shared memory at 0; B, 16 x 8 by rows, at 512, transposed as it is loaded.
  PtxRun run;
  auto* const a = run.allocate<uint16_t>(256);
  auto* const b = run.allocate<uint16_t>(128);
  auto* const c = run.allocate<float>(128);
  std::mt19937 random(7);
  int of_a[16][16], of_b[16][8];
  for (int i = 0; i < 256; ++i) a[i] = bf16(of_a[i / 16][i % 16] = static_cast<int>(random() % 17) - 8);
  for (int i = 0; i < 128; ++i) b[i] = bf16(of_b[i / 8][i % 8] = static_cast<int>(random() % 17) - 8);
  for (int i = 0; i < 128; ++i) c[i] = static_cast<float>(i);
  run("mov.u32 %r1, %tid.x; mov.u32 %r2, buffer; shl.b32 %r3, %r1, 4; add.s32 %r4, %r2, %r3; cvt.u64.u32 "
      "%rd1, %r3;\n"
      "add.s64 %rd2, %rd90, %rd1; add.s64 %rd3, %rd91, %rd1;\n"
      "cp.async.cg.shared.global [%r4], [%rd2], 16;\nsetp.lt.u32 %p1, %r1, 16;\n"
      "@%p1 cp.async.cg.shared.global [%r4+512], [%rd3], 16;\ncp.async.wait_all;\nbar.sync 0;\n"
      // Rows 0 to 7 and 8 to 15 of columns 0 to 7, then of 8 to 15.
      "and.b32 %r5, %r1, 15; shl.b32 %r5, %r5, 5; shr.u32 %r6, %r1, 4; shl.b32 %r6, %r6, 4; add.s32 %r5, "
      "%r5, %r6;\n"
      "add.s32 %r5, %r5, %r2;\nldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r10, %r11, %r12, %r13}, [%r5];\n"
      "and.b32 %r7, %r1, 15; shl.b32 %r7, %r7, 4; add.s32 %r7, %r7, %r2;\n"
      "ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%r14, %r15}, [%r7+512];\n"
      // C's places: row lane / 4 and 8 below, columns 2 (lane mod 4) and the next.
      "shr.u32 %r8, %r1, 2; shl.b32 %r8, %r8, 5; and.b32 %r9, %r1, 3; shl.b32 %r9, %r9, 3; add.s32 %r8, %r8, "
      "%r9;\n"
      "cvt.u64.u32 %rd4, %r8; add.s64 %rd4, %rd4, %rd92;\nld.global.v2.f32 {%f1, %f2}, [%rd4];\n"
      "ld.global.v2.f32 {%f3, %f4}, [%rd4+256];\n"
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%f1, %f2, %f3, %f4}, {%r10, %r11, %r12, %r13}, "
      "{%r14, %r15}, {%f1, %f2, %f3, %f4};\n"
      "st.global.v2.f32 [%rd4], {%f1, %f2}; st.global.v2.f32 [%rd4+256], {%f3, %f4};",
      {a, b, c});
  for (int row = 0; row < 16; ++row)
    for (int column = 0; column < 8; ++column) {
      int sum = row * 8 + column;
      for (int k = 0; k < 16; ++k) sum += of_a[row][k] * of_b[k][column];
      EXPECT_EQ(c[row * 8 + column], static_cast<float>(sum)) << row << ", " << column;
    }
}

TEST(Interpreter, NamesWhatItDoesNotKnow) {
  for (const char* instruction :
       {"tex.1d.v4.f32.s32 {%f1, %f2, %f3, %f4}, [%rd90, %r1];", "add.f16 %rs0, %rs1, %rs2;",
        "mov.u32 %r0, %clock;", "add.s32 %r0, %nobody, 1;", "add.s32 %r0, %rd1"}) {
    PtxRun run;
    EXPECT_THROW(run(instruction, {run.allocate<int>(1)}), Fault) << instruction;
  }
}

}  // namespace
}  // namespace tidemark::emulated
