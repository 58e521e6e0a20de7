// Imports of PyTorch's memory snapshots: a made-up allocator's history (tests/data/imports/write_pickles.py)
// whose every byte is known.
#include <gmock/gmock.h>

#include <map>
#include <random>

#include "base/error.h"
#include "profiler/attribution.h"
#include "profiler/import/import.h"
#include "tests/scratch.h"

namespace tidemark {
namespace {

using ::testing::HasSubstr;

std::string snapshot(int protocol) {
  return std::string(TIDEMARK_TEST_DATA) + "/imports/snapshot.p" + std::to_string(protocol) + ".pickle";
}

class SnapshotTest : public ScratchTest {};

TEST_F(SnapshotTest, ExplainsThePeakAtEachProtocol) {
  for (int protocol = 2; protocol <= 5; ++protocol) {
    const ImportSummary summary = import_recording(snapshot(protocol), path("run.tide"));
    EXPECT_EQ(summary.source, "PyTorch memory snapshot");
    EXPECT_EQ(summary.device, "cuda:1");
    EXPECT_EQ(summary.open_at_start, 2);
    EXPECT_EQ(summary.open_at_end, 2);
    EXPECT_EQ(summary.resident_bytes, 2 << 20);
    const Trace trace(path("run.tide"));
    const Attribution a = attribute(trace);
    // In the second backward pass. Sizes are those of blocks: multiples of 512.
    EXPECT_EQ(a.peak_bytes, 28672);
    const auto of = [&](Category c) { return a.categories[static_cast<size_t>(c)]; };
    EXPECT_EQ(of(Category::parameter), 4096 + 2048);  // made in the recording, and before
    EXPECT_EQ(of(Category::optimizer_state), 8192);
    EXPECT_EQ(of(Category::activation), 10240);
    EXPECT_EQ(of(Category::gradient), 4096);
    EXPECT_EQ(a.arena_resident_bytes, 2 << 20);
    EXPECT_EQ(trace.program()[static_cast<size_t>(a.peak_step)].kind, "autograd");

    std::map<std::string, int64_t> modules;
    for (const NamedBytes& m : a.modules) modules[m.name] = m.bytes;
    EXPECT_EQ(modules["train:main.train:build"], 4096);
    EXPECT_EQ(modules["train:main.model:forward"], 10240);
    EXPECT_EQ(modules["(before the recording)"], 2048);
  }
}

TEST_F(SnapshotTest, NamesPlacesInTheUsersCode) {
  import_recording(snapshot(4), path("run.tide"));
  const Trace trace(path("run.tide"));
  std::map<std::string, Phase> kinds;
  for (const ProgramStep& s : trace.program()) kinds[s.kind] = s.phase;
  EXPECT_EQ(kinds.at("train.py:10 build"), Phase::forward);
  EXPECT_EQ(kinds.at("model.py:30 forward"), Phase::forward);
  EXPECT_EQ(kinds.at("autograd"), Phase::backward);
  EXPECT_EQ(kinds.at("train.py:70 main"), Phase::optimizer);
  // Times are the allocator's, in nanoseconds.
  EXPECT_EQ(trace.steps()[0].start_ns, 1'700'000'000'000'020'000);
}

TEST_F(SnapshotTest, WhatIsNoSnapshotIsRefused) {
  const auto refused = [&](const std::string& file) {
    return message_of<Error>([&] { import_recording(file, path("x.tide")); });
  };
  EXPECT_THAT(refused(std::string(TIDEMARK_TEST_DATA) + "/imports/data.p4.pickle"),
              HasSubstr("no list of segments"));
  EXPECT_THAT(refused(write("x.pickle", "\x80\x02}.")), HasSubstr("no list of segments"));
  EXPECT_THAT(refused(write("x.pickle", std::string("\x80\x02}X\x08\0\0\0segments]s.", 19))),
              HasSubstr("no device"));
  const std::string whole = bytes_of(snapshot(4));
  EXPECT_THAT(refused(write("x.pickle", whole.substr(0, whole.size() - 1))), HasSubstr("cut off"));
  EXPECT_THAT(message_of<Error>([&] { import_recording(snapshot(4), path("x.tide"), "cuda:0"); }),
              HasSubstr("it has cuda:1"));
  EXPECT_FALSE(std::filesystem::exists(path("x.tide")));
}

/// Any change of any byte: an Error at most.
TEST_F(SnapshotTest, NonsenseNeverCrashes) {
  std::mt19937 random(17);
  int imported = 0;
  for (int round = 0; round < 1500; ++round) {
    std::string bent = bytes_of(snapshot(2 + round % 4));
    for (int k = 0; k < 1 + round % 3; ++k) bent[random() % bent.size()] = static_cast<char>(random());
    try {
      import_recording(write("bent.pickle", bent), path("run.tide"));
      attribute(Trace(path("run.tide")));
      ++imported;
    } catch (const Error&) {
    }
  }
  EXPECT_GT(imported, 0);
}

}  // namespace
}  // namespace tidemark
