// Traces that are cut, bent or made up: what can be kept is kept, and nothing is read out of bounds.
#include <gmock/gmock.h>

#include <cstring>
#include <functional>
#include <random>
#include <set>

#include "base/error.h"
#include "profiler/attribution.h"
#include "profiler/report.h"
#include "profiler/trace_format.h"
#include "tests/profiler/sample.h"
#include "tests/scratch.h"

namespace tidemark {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

/// Everything a reader can ask for.
void read_all(const Trace& trace) {
  for (const auto& run : trace.runs()) trace.times(run);
  for (const TrainingStep& step : trace.steps()) trace.program_times(step.number);
  median_op_seconds(trace);
  const Attribution attribution = attribute(trace);
  std::ostringstream text;
  print_report(text, trace, attribution);
  report_json(trace, attribution).dump();
}

/// A frame as the writer makes it, whatever it holds.
std::string frame(uint32_t type, const std::string& payload) {
  const auto bytes = std::as_bytes(std::span(payload));
  const tide::FrameHeader header{type, static_cast<uint32_t>(payload.size()), tide::checksum(type, bytes)};
  std::string text(sizeof header, '\0');
  std::memcpy(text.data(), &header, sizeof header);
  return text + payload;
}

std::string file_header(char version) {
  return std::string("TIDEMARK") + version + std::string(7, '\0');
}

std::string varints(const std::vector<uint64_t>& numbers) {
  std::vector<std::byte> bytes;
  for (const uint64_t n : numbers) tide::put_varint(bytes, n);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// The same tables twice: an op and a buffer.
const json kOldTables = {{"metadata", {{"model", "x"}}},
                         {"program", {{"op #3", "linear", "m", "forward", true}}},
                         {"buffers", {{"b", "f32[1]", "op #3", "m", "activation", 64, 512, 0, 0, true}}}};

struct TableFrames {
  json head = {{"metadata", {{"model", "x"}}}, {"program", 1}, {"buffers", 1}};
  json texts = {"op", "linear", "m", "b", "f32[1]"};
  /// A name: twice its text's place, or one more and then the number that it ends in.
  std::vector<uint64_t> program = {1, 3, 2, 4, 1 | 1 << 2};
  std::vector<uint64_t> buffers = {6, 8, 1, 3, 4, 3 | 1 << 3, 64, 512, 0, 0};

  std::string bytes() const {
    return file_header(2) + frame(tide::kTables, head.dump()) + frame(tide::kTexts, texts.dump()) +
           frame(tide::kProgram, varints(program)) + frame(tide::kBuffers, varints(buffers));
  }
};

class DamageTest : public ScratchTest {
 protected:
  void SetUp() override {
    ScratchTest::SetUp();
    Sample().write(path("whole.tide"), 3);
    whole_ = bytes_of(path("whole.tide"));
  }
  /// Opens bytes as a trace and reads all of it. Whatever is wrong with it may only be an Error.
  void survive(const std::string& bytes) {
    try {
      read_all(Trace(write("damaged.tide", bytes)));
    } catch (const Error&) {
    }
  }
  std::set<size_t> ends_of_frames() const {
    std::set<size_t> ends;
    size_t at = tide::kFileHeaderBytes;
    while (at < whole_.size()) {
      uint32_t payload = 0;
      std::memcpy(&payload, whole_.data() + at + offsetof(tide::FrameHeader, bytes), sizeof payload);
      ends.insert(at += sizeof(tide::FrameHeader) + payload);
    }
    return ends;
  }
  std::string whole_;
};

TEST_F(DamageTest, ACutAtAnyByteKeepsWhatIsBefore) {
  const Trace whole(path("whole.tide"));
  const std::set<size_t> frame_ends = ends_of_frames();
  size_t runs = 0;
  for (size_t length = 0; length <= whole_.size(); ++length) {
    const std::string file = write("cut.tide", whole_.substr(0, length));
    try {
      const Trace trace(file);
      EXPECT_GE(trace.runs().size(), runs) << length;
      runs = trace.runs().size();
      for (size_t i = 0; i < runs; ++i)
        EXPECT_EQ(trace.times(trace.runs()[i]).back().end_ns, whole.times(whole.runs()[i]).back().end_ns);
      EXPECT_EQ(trace.damage().empty(), frame_ends.contains(length)) << length;
    } catch (const Error&) {
      EXPECT_EQ(runs, 0u) << length;
    }
  }
  EXPECT_EQ(runs, whole.runs().size());
}

TEST_F(DamageTest, AFlippedBitIsNoticed) {
  for (size_t byte = 0; byte < whole_.size(); ++byte)
    for (int bit = 0; bit < 8; ++bit) {
      std::string bent = whole_;
      bent[byte] ^= static_cast<char>(1 << bit);
      const std::string file = write("bent.tide", bent);
      const bool padding = byte >= 12 && byte < tide::kFileHeaderBytes;  // reserved: not read
      try {
        const Trace trace(file);
        EXPECT_TRUE(padding || !trace.damage().empty()) << byte << "." << bit;
      } catch (const Error&) {
      }
    }
}

TEST_F(DamageTest, ManyFlippedBytesNeverCrash) {
  std::mt19937 random(3);
  for (int round = 0; round < 2000; ++round) {
    std::string bent = whole_;
    for (int k = 0; k < 1 + round % 20; ++k) bent[random() % bent.size()] = static_cast<char>(random());
    survive(bent);
  }
}

/// Frames with good checksums and bad contents: only a program bent on it makes them.
TEST_F(DamageTest, MadeUpFramesNeverCrash) {
  std::mt19937_64 random(4);
  Sample().write(path("tables.tide"), 0);
  const std::string tables = bytes_of(path("tables.tide"));
  const auto number = [&]() -> int64_t {
    const int64_t choices[] = {0, 1, 2, -1, INT64_MAX, INT64_MIN, static_cast<int64_t>(random())};
    return choices[random() % std::size(choices)];
  };
  for (int round = 0; round < 3000; ++round) {
    std::string bytes = tables;
    for (int k = 0; k < 4; ++k) {
      tide::RunHeader header{number(),
                             number(),
                             static_cast<int32_t>(number()),
                             static_cast<int32_t>(number()),
                             static_cast<int32_t>(number()),
                             0};
      if (random() % 2) header.first = 0, header.count = 3;
      std::string payload(sizeof header, '\0');
      std::memcpy(payload.data(), &header, sizeof header);
      for (size_t i = random() % 64; i > 0; --i) payload += static_cast<char>(random());
      bytes += frame(tide::kRun, payload);
      TrainingStep step = Sample::step(random() % 2 ? header.training_step : number());
      step.arena_resident_bytes = number();
      std::string text(sizeof step, '\0');
      std::memcpy(text.data(), &step, sizeof step);
      bytes += frame(tide::kStep, text);
    }
    survive(bytes);
  }
}

TEST_F(DamageTest, TablesOfBothVersionsAreRead) {
  const std::string old = write("old.tide", file_header(1) + frame(tide::kTables, kOldTables.dump()));
  for (const std::string& file : {old, write("new.tide", TableFrames().bytes())}) {
    const Trace trace(file);
    EXPECT_EQ(trace.damage(), "");
    EXPECT_EQ(trace.metadata(), kOldTables["metadata"]);
    ASSERT_EQ(trace.program().size(), 1u);
    EXPECT_EQ(trace.program()[0], (ProgramStep{"op #3", "linear", "m", Phase::forward, true}));
    ASSERT_EQ(trace.buffers().size(), 1u);
    EXPECT_EQ(trace.buffers()[0],
              (TraceBuffer{"b", "f32[1]", "op #3", "m", Category::activation, 64, 512, 0, 0, true}));
  }
}

TEST_F(DamageTest, OldTablesThatCannotBeAreRefused) {
  const auto refused = [&](const std::function<void(json&)>& change) {
    json tables = kOldTables;
    change(tables);
    const std::string file = write("made.tide", file_header(1) + frame(tide::kTables, tables.dump()));
    const std::string message = message_of<Error>([&] { Trace{file}; });
    EXPECT_THAT(message, HasSubstr(file));
  };
  refused([](json& t) { t = json::array(); });
  refused([](json& t) { t["metadata"] = 3; });
  refused([](json& t) { t["program"] = json::array(); });
  refused([](json& t) { t["program"][0] = "op"; });
  refused([](json& t) { t["program"][0][3] = "sideways"; });
  refused([](json& t) { t["buffers"][0][4] = "unknown"; });
  refused([](json& t) { t["buffers"][0][5] = -64; });
  refused([](json& t) { t["buffers"][0][5] = 1.5; });
  refused([](json& t) { t["buffers"][0][5] = INT64_MAX; });
  refused([](json& t) { t["buffers"][0][6] = INT64_MAX; });
  refused([](json& t) { t["buffers"][0][6] = "0"; });
  refused([](json& t) { t["buffers"][0][8] = 1; });
  refused([](json& t) { t["buffers"][0][7] = -1; });
  refused([](json& t) { t["buffers"][0].erase(9); });
  refused([](json& t) {
    for (int i = 0; i < 9; ++i)
      t["buffers"].push_back({"b", "", "op", "m", "activation", int64_t{1} << 60, 0, 0, 0, false});
  });
}

TEST_F(DamageTest, TablesThatCannotBeAreRefused) {
  const auto refused = [&](const std::function<void(TableFrames&)>& change) {
    TableFrames tables;
    change(tables);
    const std::string file = write("made.tide", tables.bytes());
    const std::string message = message_of<Error>([&] { Trace{file}; });
    EXPECT_THAT(message, HasSubstr(file));
    return message;
  };
  for (const char* rows : {"program", "buffers"}) {
    for (const json& count : {json(-1), json(1.5), json("1"), json(int64_t{1} << 40), json()})
      refused([&](TableFrames& t) { t.head[rows] = count; });
    EXPECT_THAT(refused([&](TableFrames& t) { t.head[rows] = 2; }), HasSubstr("ends before its tables"));
    refused([&](TableFrames& t) { t.head.erase(rows); });
  }
  refused([](TableFrames& t) { t.head["program"] = 0; });
  EXPECT_THAT(refused([](TableFrames& t) { t.head["buffers"] = 0, t.head["program"] = 2; }),
              HasSubstr("more rows"));
  refused([](TableFrames& t) { t.head["metadata"] = 3; });
  refused([](TableFrames& t) { t.head["metadata"]["model"] = 3; });
  refused([](TableFrames& t) { t.texts[2] = 3; });
  refused([](TableFrames& t) { t.texts = {"op", "linear"}; });
  EXPECT_THAT(refused([](TableFrames& t) { t.program[2] = 10; }), HasSubstr("a name that it does not have"));
  EXPECT_THAT(refused([](TableFrames& t) { t.program[1] = uint64_t{1} << 31; }), HasSubstr("a name"));
  EXPECT_THAT(refused([](TableFrames& t) { t.program[4] = 8; }), HasSubstr("the phase of op 'op #3'"));
  EXPECT_THAT(refused([](TableFrames& t) { t.program.pop_back(); }), HasSubstr("the phase of op"));
  EXPECT_THAT(refused([](TableFrames& t) { t.program.push_back(0); }), HasSubstr("op 'op'"));
  EXPECT_THAT(refused([](TableFrames& t) { t.buffers[5] = 16; }), HasSubstr("the category of buffer 'b'"));
  for (const size_t field : {6, 7})
    for (const uint64_t value : {(uint64_t{1} << 60) + 1, uint64_t{INT64_MAX} + 1, UINT64_MAX})
      EXPECT_THAT(refused([&](TableFrames& t) { t.buffers[field] = value; }),
                  HasSubstr("buffer 'b' cannot be"));
  for (const size_t field : {8, 9})
    for (const uint64_t value : {uint64_t{1}, uint64_t{1} << 31, uint64_t{1} << 32, UINT64_MAX})
      EXPECT_THAT(refused([&](TableFrames& t) { t.buffers[field] = value; }),
                  HasSubstr("buffer 'b' cannot be"));
  EXPECT_THAT(refused([](TableFrames& t) {
                t.head["buffers"] = 9;
                t.buffers[6] = uint64_t{1} << 60;
                for (int i = 0; i < 3; ++i)
                  t.buffers.insert(t.buffers.end(), t.buffers.begin(), t.buffers.end());
                t.buffers.insert(t.buffers.end(), t.buffers.begin(), t.buffers.begin() + 10);
              }),
              HasSubstr("larger than any memory"));
}

TEST_F(DamageTest, RandomTablesNeverCrash) {
  std::mt19937 random(6);
  const std::string text = kOldTables.dump();
  const std::string alphabet = "[]{}\",:0123456789-truefalsn\\.e";
  for (int round = 0; round < 3000; ++round) {
    std::string bent = text;
    for (int k = 0; k < 1 + round % 4; ++k)
      bent[random() % bent.size()] = alphabet[random() % alphabet.size()];
    survive(file_header(1) + frame(tide::kTables, bent));
  }
  for (int round = 0; round < 3000; ++round) {
    TableFrames tables;
    for (int k = 0; k < 1 + round % 4; ++k) {
      std::vector<uint64_t>& rows = random() % 2 == 0 ? tables.program : tables.buffers;
      rows[random() % rows.size()] =
          random() % 3 == 0 ? uint64_t{random()} << (random() % 33) : random() % 12;
    }
    survive(tables.bytes());
  }
}

/// What other programs say in the metadata need not be of the kind that ours is.
TEST_F(DamageTest, OddMetadataIsReported) {
  const json odd[] = {nullptr, true, -3, 1e300, "x", json::array({1}), json::object({{"a", 1}})};
  for (const char* key :
       {"process", "device", "rank", "ranks", "complete", "dropped_records", "mapped_memory_unseen", "waits",
        "wait_seconds", "device_used_bytes", "device_used_at_ns", "device_used_step"})
    for (const json& value : odd) {
      Sample sample;
      sample.metadata.update({{"process", 7}, {"device_used_bytes", 4096}});
      sample.metadata[key] = value;
      sample.write(path("odd.tide"), 1);
      EXPECT_NO_THROW(read_all(Trace(path("odd.tide")))) << key << ": " << value;
    }
}

TEST_F(DamageTest, AReportOfADamagedTraceSaysSo) {
  const std::string file = write("cut.tide", whole_.substr(0, whole_.size() - 3));
  const Trace trace(file);
  std::ostringstream text;
  print_report(text, trace, attribute(trace));
  EXPECT_THAT(text.str(), HasSubstr("cut short at byte"));
  EXPECT_THAT(text.str(), HasSubstr("2 training steps"));
  Sample().write(path("none.tide"), 0);
  EXPECT_THAT(message_of<Error>([&] { attribute(Trace(path("none.tide"))); }),
              HasSubstr("no complete training step"));
}

}  // namespace
}  // namespace tidemark
