// Imports of PyTorch's memory snapshots: a made-up allocator's history (tests/data/imports/write_pickles.py)
// whose every byte is known.
#include <gmock/gmock.h>

#include <map>
#include <random>
#include <set>

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

/// Fields, actions and lists that older ones lack change nothing of what is known.
TEST_F(SnapshotTest, ReadsWhatNewerVersionsWrite) {
  const std::string newer = std::string(TIDEMARK_TEST_DATA) + "/imports/snapshot.newer.pickle";
  import_recording(snapshot(4), path("old.tide"));
  const ImportSummary summary = import_recording(newer, path("new.tide"));
  EXPECT_EQ(summary.device, "cuda:1");
  EXPECT_EQ(summary.resident_bytes, 2 << 20);
  const Trace a(path("old.tide")), b(path("new.tide"));
  EXPECT_EQ(a.program(), b.program());
  EXPECT_EQ(a.buffers(), b.buffers());
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

/// Writes pickles as Python does: what it has written it names by its place in the memo.
class Pickler {
 public:
  std::string done() const { return "\x80\x04" + code_ + "."; }
  Pickler& raw(const std::string& code) {
    code_ += code;
    return *this;
  }
  Pickler& integer(int64_t value) { return raw("\x8a\x08").bytes(value); }
  Pickler& text(const std::string& value) {
    if (texts_.contains(value)) return get(texts_[value]);
    raw(std::string("\x8c") + static_cast<char>(value.size()) + value);
    texts_[value] = keep();
    return *this;
  }
  Pickler& get(uint32_t place) { return raw("j").bytes(place); }
  uint32_t keep() {
    raw("\x94");
    return kept_++;
  }

 private:
  template <typename T>
  Pickler& bytes(T value) {
    return raw(std::string(reinterpret_cast<const char*>(&value), sizeof value));
  }
  std::string code_;
  std::map<std::string, uint32_t> texts_;
  uint32_t kept_ = 0;
};

/// A made-up history of two devices, of several pieces of a file, most of whose frames stand in the memo.
TEST_F(SnapshotTest, EventsOfSeveralDevicesAreToldApart) {
  std::mt19937 random(8);
  Pickler p;
  std::map<int, uint32_t> frames;                // their places in the memo
  std::vector<std::pair<int, uint32_t>> stacks;  // site and place
  const auto frame = [&](int n) {
    if (frames.contains(n)) return void(p.get(frames[n]));
    p.raw("}");
    frames[n] = p.keep();
    p.raw("(").text("filename").text("/home/me/file" + std::to_string(n % 3) + ".py");
    p.text("name").text("f" + std::to_string(n)).text("line").integer(n).raw("u");
  };
  const auto stack = [&](int site) {
    if (!stacks.empty() && random() % 4 == 0) {
      const auto& [known, place] = stacks[random() % stacks.size()];
      p.get(place);
      return known;
    }
    p.raw("]");
    stacks.emplace_back(site, p.keep());
    p.raw("(");
    for (int k = 0; k < 5; ++k) frame((site * 7 + k * k) % 40);
    p.raw("e");
    return site;
  };
  struct Device {
    std::map<int64_t, int64_t> live;  // address to bytes
    int64_t bytes = 0, most = 0, end = 0;
    std::set<std::string> kinds;  // of the steps
  };
  Device devices[3];
  const auto event = [&](Device& d, const std::string& action, int64_t address, int64_t size, int64_t time) {
    p.raw("}");
    p.keep();
    p.raw("(").text("action").text(action).text("addr").integer(address).text("size").integer(size);
    p.text("time_us").integer(d.end = time).text("frames");
    const int site = stack(static_cast<int>(random() % 30));
    p.raw("u");
    const std::string n = std::to_string(site * 7 % 40), file = std::to_string(site * 7 % 40 % 3);
    if (action != "free_requested") d.kinds.insert("file" + file + ".py:" + n + " f" + n);
  };
  p.raw("}(").text("device_traces").raw("](");
  for (Device& d : devices) {
    p.raw("](");
    for (int64_t t = 1; t < (&d == devices ? 1 : 4000); ++t) {
      if (d.live.size() < 50 || random() % 2 == 0) {
        const auto address = static_cast<int64_t>(1 + random() % 1000) << 20;
        if (d.live.contains(address)) continue;
        const auto size = static_cast<int64_t>(1 + random() % (&d == devices + 1 ? 9000 : 90'000));
        event(d, "alloc", address, size, t);
        d.bytes += d.live[address] = (size + 511) / 512 * 512;
        d.most = std::max(d.most, d.bytes);
      } else {
        const auto [address, size] = *std::next(d.live.begin(), static_cast<int>(random() % d.live.size()));
        event(d, "free_requested", address, size, t);
        event(d, "free_completed", address, size, t);
        d.bytes -= size;
        d.live.erase(address);
      }
      if (t % 300 == 0) p.raw("e(");
    }
    p.raw("e");
  }
  p.raw("e").text("segments").raw("]u");
  EXPECT_GT(p.done().size(), size_t{1} << 19);
  const std::string file = write("x.pickle", p.done());
  EXPECT_EQ(import_recording(file, path("run.tide")).device, "cuda:2");
  for (const int device : {1, 2}) {
    const ImportSummary summary = import_recording(file, path("run.tide"), "cuda:" + std::to_string(device));
    EXPECT_THAT(summary.devices, ::testing::ElementsAre("cuda:1", "cuda:2"));
    EXPECT_EQ(summary.open_at_end, static_cast<int64_t>(devices[device].live.size()));
    const Trace trace(path("run.tide"));
    EXPECT_EQ(attribute(trace).peak_bytes, devices[device].most);
    EXPECT_EQ(trace.steps()[0].end_ns, 1000 * devices[device].end);
    std::set<std::string> kinds;
    for (const ProgramStep& s : trace.program()) kinds.insert(s.kind);
    EXPECT_EQ(kinds, devices[device].kinds);
  }
}

/// cuBLAS takes a workspace when a layer first runs, and keeps it as long as parameters are kept.
TEST_F(SnapshotTest, WorkspacesOfLibrariesAreNoParameters) {
  Pickler p;
  using Frames = std::vector<std::pair<std::string, std::string>>;  // file and function
  int64_t time = 0;
  const auto alloc = [&](int64_t address, int64_t size, const Frames& frames) {
    p.raw("}(").text("action").text("alloc").text("addr").integer(address).text("size").integer(size);
    p.text("time_us").integer(++time).text("frames").raw("](");
    for (const auto& [file, function] : frames)
      p.raw("}(").text("filename").text(file).text("name").text(function).text("line").integer(1).raw("u");
    p.raw("eu");
  };
  p.raw("}(").text("device_traces").raw("](](");
  alloc(1 << 20, 1024, {{"/x/torch/nn/modules/linear.py", "__init__"}, {"/home/me/train.py", "build"}});
  alloc(2 << 20, 2048, {{"/x/torch/nn/modules/module.py", "convert"}, {"/home/me/train.py", "build"}});
  alloc(3 << 20, 4096, {{"/x/torch/nn/modules/linear.py", "forward"}, {"/home/me/train.py", "step"}});
  alloc(4 << 20, 8192, {{"/x/torch/nn/functional.py", "conv"}, {"/home/me/train.py", "step"}});
  alloc(5 << 20, 512, {{"/home/me/model.py", "forward"}, {"/x/torch/nn/modules/module.py", "_call_impl"}});
  alloc(6 << 20, 1536, {});  // in the backward pass
  alloc(7 << 20, 16384, {{"/x/torch/optim/adamw.py", "step"}, {"/home/me/train.py", "step"}});
  p.raw("ee").text("segments").raw("]u");
  import_recording(write("x.pickle", p.done()), path("run.tide"));
  const Attribution a = attribute(Trace(path("run.tide")));
  const auto of = [&](Category c) { return a.categories[static_cast<size_t>(c)]; };
  EXPECT_EQ(of(Category::workspace), 4096 + 8192);
  EXPECT_EQ(of(Category::parameter), 1024 + 2048 + 512);
  EXPECT_EQ(of(Category::gradient), 1536);
  EXPECT_EQ(of(Category::optimizer_state), 16384);
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
